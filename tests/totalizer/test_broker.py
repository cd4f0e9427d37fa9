"""What the brokers are asked about the topic, and what no answer means."""

from __future__ import annotations

from concurrent.futures import Future
from typing import cast

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from sumflow.totalizer import broker


class _Answering:
    """An admin client that answers every question about offsets with the same offset."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def list_offsets(
        self, asked: dict[TopicPartition, object], request_timeout: float
    ) -> dict[TopicPartition, Future[ListOffsetsResultInfo]]:
        """Answer at once."""
        answers: dict[TopicPartition, Future[ListOffsetsResultInfo]] = {}
        for place in asked:
            answers[place] = Future()
            answers[place].set_result(ListOffsetsResultInfo(self._offset, -1, -1))
        return answers


def _asked(offset: int) -> dict[int, int]:
    admin = cast("AdminClient", _Answering(offset))
    return broker._offsets(admin, "sums", [0, 1], OffsetSpec.latest())  # type: ignore[no-untyped-call]


def test_offsets_are_what_the_leaders_answer() -> None:
    """Each partition has the offset that its leader names."""
    assert _asked(18) == {0: 18, 1: 18}


def test_no_leader_is_no_loss_of_records() -> None:
    """-1001 is the client's word for no answer: trouble, which is tried again, and never a topic that lost records."""
    with pytest.raises(KafkaException, match="no leader answers for sums"):
        _asked(-1001)

"""What the brokers are asked about the topic, and what no answer means."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from sumflow.totalizer import broker
from tests.totalizer.conftest import settings_for


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


def test_the_client_never_decides_from_where_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It commits nothing by itself, an offset that is not there is an error, and damaged records are no events."""
    told: dict[str, Any] = {}
    settings = settings_for("host=127.0.0.1 port=1 user=u password=p dbname=d", "127.0.0.1:1", "sums")
    monkeypatch.setattr(broker, "Consumer", lambda config, **_: told.update(config))
    broker.make_consumer(settings)
    promised = {
        "group.id": settings.kafka_group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "check.crcs": True,
    }
    assert {name: told.get(name) for name in promised} == promised

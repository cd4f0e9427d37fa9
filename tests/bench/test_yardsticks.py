"""The yardsticks do what they say: on a real PostgreSQL, a real Kafka, and a real gRPC server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from sumflow.bench import echo, loads, yardsticks
from sumflow.sums.sum_pb2 import SumNumbersRequest
from sumflow.sums.sum_pb2_grpc import SumNumbersServiceStub

pytestmark = pytest.mark.integration


def test_copy_takes_its_time_and_leaves_nothing(database_url: str) -> None:
    """A rate is measured; the table is gone afterwards."""
    assert yardsticks.copy_rate(database_url, 2 * loads.BATCH) > 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('sumflow_bench')").fetchone() == (None,)


def test_records_go_there_and_back(kafka_bootstrap: str, make_topic: Callable[[int], str], database_url: str) -> None:
    """A topic like another one is made, every record comes back from it, and it is deleted."""
    like = make_topic(3)
    with yardsticks.topic(kafka_bootstrap, like) as name:
        made = AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(name, timeout=10).topics[name]
        assert len(made.partitions) == 3
        assert yardsticks.kafka_rate(kafka_bootstrap, name, 500) > 0
        waits = yardsticks.counted_after_s(kafka_bootstrap, name, database_url, 5, 0.0)
        assert waits == sorted(waits)
        assert len(waits) == 5
    assert name not in AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=10).topics


def test_the_empty_server_answers_like_an_adder() -> None:
    """It speaks the contract, so that a load cannot tell it from an adder; it is gone after the block."""
    with echo.running() as address:
        with grpc.insecure_channel(str(address)) as channel:
            stub = SumNumbersServiceStub(channel)  # type: ignore[no-untyped-call]
            assert stub.SumNumbers(SumNumbersRequest(x=20, y=22), timeout=10).sum == 42
        assert asyncio.run(loads.unary_rate(address, 0.1)) > 0
    with grpc.insecure_channel(str(address)) as channel, pytest.raises(grpc.RpcError):
        SumNumbersServiceStub(channel).SumNumbers(SumNumbersRequest(), timeout=5)  # type: ignore[no-untyped-call]

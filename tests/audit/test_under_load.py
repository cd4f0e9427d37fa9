"""Audits while the real services work: never a false alarm, and the lag is told."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from sumflow.adder import requests
from sumflow.adder.writer import Writer
from sumflow.audit.books import SystemBooks
from sumflow.audit.compare import compare
from sumflow.audit.findings import Report
from sumflow.database import migrate
from tests.adder.support import adder_settings, relay_settings, running_relay, running_writer, until
from tests.audit import scene
from tests.totalizer.bench import Bench
from tests.totalizer.conftest import settings_for

pytestmark = pytest.mark.integration
AUDITS = 15


@pytest.fixture
def bench(copy_of_nothing: str, kafka_bootstrap: str, make_topic: Callable[[int], str]) -> Iterator[Bench]:
    """A totalizer's database and a topic."""
    settings = settings_for(copy_of_nothing, kafka_bootstrap, make_topic(3))
    migrate(settings, "sumflow.totalizer")
    with psycopg.connect(copy_of_nothing, autocommit=True) as connection:
        made = Bench(settings, connection)
        yield made
        made.close()


@pytest.fixture
def copy_of_nothing(postgres_url: str) -> Iterator[str]:
    """An empty database beside the adder's."""
    with scene.database(postgres_url) as url:
        yield url


def test_audits_under_load_are_clean(database_url: str, copy_of_nothing: str, bench: Bench) -> None:
    """Two writers, a relay, a totalizer, foreign events, names: each audit is clean, the deep ones too."""
    with bench.running():
        reports = asyncio.run(_load_and_audit(database_url, copy_of_nothing, bench))
    assert [report.findings for report in reports if not report.clean] == []
    assert len({report.accepted for report in reports}) > AUDITS // 2, "the load went on meanwhile"
    assert any(report.lag for report in reports)
    assert max(report.figures.get("topic_records", 0) for report in reports) > 0
    last = reports[-1]
    assert (last.lag, last.foreign, last.named) == (0, AUDITS, 51)
    assert last.counted == last.accepted > 0


async def _load_and_audit(adder: str, totalizer: str, bench: Bench) -> list[Report]:
    settings = adder_settings(adder)
    bootstrap, topic = bench.settings.kafka_bootstrap_servers, bench.settings.kafka_topic
    books = SystemBooks.of_servers(adder, totalizer, bootstrap, topic)
    reports, enough = [], asyncio.Event()
    async with running_relay(relay_settings(settings, bootstrap, topic)):
        async with running_writer(settings) as one, running_writer(settings) as two:
            loads = [asyncio.create_task(_load(writer, enough)) for writer in (one, two)]
            for number in range(AUDITS):
                await asyncio.to_thread(bench.add_foreign, uuid.UUID(int=number + 1), number, number % 3)
                reports.append(compare(await asyncio.to_thread(books.cut)))
                if number % 5 == 2:
                    reports[-1].include(await asyncio.to_thread(books.deep, lambda count: None))
            enough.set()
            await asyncio.gather(*loads)
        await until(lambda: _settled(books, AUDITS), 60)
    return [*reports, compare(books.cut())]


def _settled(books: SystemBooks, foreign: int) -> bool:
    report = compare(books.cut())
    return report.lag == 0 and report.foreign == foreign


async def _load(writer: Writer, enough: asyncio.Event) -> None:
    number = 0
    while not enough.is_set():
        number += 1
        totals = ["", "rent", f"meter {number % 50}"]
        await writer.submit(requests.batch([number, -number, 2**62], [3, number, 1], "", None, totals))

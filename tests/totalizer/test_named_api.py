"""Named totals over REST: by name, by position, as a stream, and listed page by page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from sumflow.settings import TotalizerSettings
from tests.totalizer.test_api import move, serving, states

pytestmark = pytest.mark.integration
Database = psycopg.Connection[Any]
NAME = "Größe/ä ?#"


@pytest.fixture
def client(settings: TotalizerSettings) -> Iterator[httpx.Client]:
    """A client of a server with a database."""
    with serving(settings) as client:
        yield client


def test_a_name_is_asked_for_in_the_path(client: httpx.Client, database: Database) -> None:
    """Escaped as any text in a path; exact beyond 64 bits; with an ETag, as the one total."""
    for name, value in [(NAME, 2**70), ("%2F", 2), ("/a/", 3), ("a b+c", -4)]:
        move(database, "INSERT INTO totals (name, count, sum) VALUES (%s, 1, %s)", name, value)
        answer = client.get(f"/v1/results/{httpx.URL('', params={'n': name}).query.decode()[2:].replace('+', '%20')}")
        assert answer.text == f'{{"result": {value}}}\n'
        again = client.get(answer.request.url, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    assert client.get("/v1/results").json() == {"result": 0}


def test_a_name_that_nothing_was_added_to_is_not_there(client: httpx.Client) -> None:
    """404 with the reason, rather than a 0 that a misspelt name would get; 400 for what can be no name."""
    answer = client.get("/v1/results/rnet")
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "there is no total 'rnet': nothing that names it is counted"},
    )
    assert client.get("/v1/stream?total=rnet").status_code == 404
    assert client.get("/v1/results/a%09b").status_code == 400
    assert client.get(f"/v1/results/{'x' * 129}").status_code == 400


def test_a_position_is_waited_for(client: httpx.Client, database: Database) -> None:
    """An answer that includes the position is one of the name's total at that moment."""
    lane = uuid4()
    move(database, "INSERT INTO lane_marks (lane, topic, partition) VALUES (%s, 'sums', 0)", lane)
    asked = {"position": f"{lane}:1", "wait": "15s"}
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(client.get("/v1/results/rent", params=asked)))
    waiting.start()
    counted = "WITH m AS (UPDATE lane_marks SET mark = 1) INSERT INTO totals VALUES ('rent', 1, 5)"
    move(database, counted)
    waiting.join(20)
    assert answers[0].json() == {"result": 5}
    assert client.get("/v1/results/food", params=asked).status_code == 404
    late = client.get("/v1/results/rent", params={"position": f"{lane}:2"})
    assert late.status_code == 504


def test_the_stream_of_a_name(client: httpx.Client, database: Database) -> None:
    """Tells the name's total and count, and what is wrong with the consumer as the other stream does."""
    move(database, "INSERT INTO totals VALUES ('rent', 1, 5)")
    with client.stream("GET", "/v1/stream", params={"total": "rent"}) as answer:
        told = states(answer.iter_lines())
        first = next(told)
        assert (first["total"], first["count"], first["problem"]) == (5, 1, "halted: for a test")
        move(database, "UPDATE totals SET sum = 6, count = 2 WHERE name = 'rent'")
        assert next(told) == first | {"total": 6, "count": 2}


def test_the_list_is_paged_by_name(client: httpx.Client, database: Database) -> None:
    """Each name once, in the order of bytes, also when others come in between; the one total is not listed."""
    assert client.get("/v1/totals").json() == {"totals": [], "next": None}
    names = sorted([f"n {i:03}" for i in range(7)] + ["Z", NAME, "é&limit=2"], key=str.encode)
    for name in names:
        move(database, "INSERT INTO totals VALUES (%s, 2, %s)", name, 2**65)
    listed, path = [], "/v1/totals?limit=3"
    while path:
        page = client.get(path).json()
        assert len(page["totals"]) <= 3
        listed += page["totals"]
        path = page["next"]
        move(database, "INSERT INTO totals VALUES ('a', 1, 1) ON CONFLICT DO NOTHING")
    assert listed == [{"name": name, "result": 2**65, "count": 2} for name in names]
    assert len(client.get("/v1/totals").json()["totals"]) == len(names) + 1
    just_full = client.get(f"/v1/totals?limit={len(names) + 1}").json()
    assert (len(just_full["totals"]), just_full["next"]) == (len(names) + 1, None)
    assert [client.get(f"/v1/totals?limit={limit}").status_code for limit in (1, 1000)] == [200, 200]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=²", "after=%00"])
def test_a_page_that_cannot_be_is_refused(client: httpx.Client, query: str) -> None:
    """400 with what would be right."""
    assert client.get(f"/v1/totals?{query}").status_code == 400

"""Every kind of tampering, in either database and in the topic, is found and named on real servers."""

from __future__ import annotations

import psycopg
import pytest

from sumflow.audit.findings import Kind
from sumflow.errors import SumflowError
from sumflow.sums.event import LANE_HEADER, SEQ_HEADER, LaneEncoder
from tests.audit.scene import FOREIGN, LANE_EVENTS, Kept, Original, Scene, copied, named, position

pytestmark = pytest.mark.integration
WHEN = "2026-01-02T03:04:05.678901Z"


def test_a_true_history_is_clean_event_by_event(copy: Scene) -> None:
    """Nothing is found, and everything was looked at."""
    report = copy.deep()
    assert report.findings == []
    assert (report.lanes, report.accepted, report.counted, report.lag) == (2, 80, 80, 0)
    assert (report.foreign, report.dead_letters, report.parked) == (3, 1, 0)
    assert report.figures == {
        "outbox_events": 80,
        "parked_events": 0,
        "topic_records": 84,
        "topic_records_in_outbox": 80,
        "topic_repeated": 0,
    }


LANE_BY_LANE = {
    "the total moved by one": ("totalizer", "UPDATE totals SET sum = sum + 1 WHERE name = ''", Kind.ALTERED, "total"),
    "an addition more in the total": (
        "totalizer",
        "UPDATE totals SET count = count + 1 WHERE name = ''",
        Kind.ALTERED,
        "total",
    ),
    "the foreign sum moved": ("totalizer", "UPDATE foreign_totals SET sum = sum - 1", Kind.ALTERED, "total"),
    "a lane's sum at the totalizer": (
        "totalizer",
        "UPDATE lane_marks SET sum = sum - 3 WHERE lane = LANE",
        Kind.ALTERED,
        "{lane}",
    ),
    "a lane's mark moved back": (
        "totalizer",
        "UPDATE lane_marks SET mark = mark - 1 WHERE lane = LANE",
        Kind.ALTERED,
        "{lane}",
    ),
    "an event taken out of the totalizer's lane": (
        "totalizer",
        "UPDATE lane_marks SET mark = mark - 1, count = count - 1, sum = sum - 47 WHERE lane = LANE",
        Kind.LOST,
        "{lane}:40",
    ),
    "a lane gone from the totalizer": ("totalizer", "DELETE FROM lane_marks WHERE lane = LANE", Kind.LOST, "{lane}:1"),
    "a lane's sum at the adder": ("adder", "UPDATE lanes SET sum = sum + 9 WHERE lane = LANE", Kind.ALTERED, "{lane}"),
    "a lane gone from the adder": ("adder", "DELETE FROM lanes WHERE lane = LANE", Kind.INVENTED, "{lane}"),
    "an event more in the adder's lane": (
        "adder",
        "UPDATE lanes SET last_seq = 41, count = 41, sum = sum + 2 WHERE lane = LANE",
        Kind.LOST,
        "{lane}:40",
    ),
    "an event fewer in the adder's lane": (
        "adder",
        "UPDATE lanes SET last_seq = 39, published_seq = 39, count = 39, sum = sum - 47 WHERE lane = LANE",
        Kind.INVENTED,
        "{lane}:40",
    ),
}


@pytest.mark.parametrize("case", LANE_BY_LANE)
def test_a_lane_that_differs_is_found_without_looking_at_events(copy: Scene, case: str) -> None:
    """One number of one row is enough, and the finding says which lane, or the total."""
    side, statement, kind, subject = LANE_BY_LANE[case]
    copy.spoil(side, statement)
    assert (kind, subject.format(lane=copy.lane)) in named(copy.audit())


IN_A_DATABASE = {
    "an event altered in the outbox": (
        "adder",
        "UPDATE events SET x = x + 1 WHERE lane = NUMBER AND seq = 17",
        {(Kind.ALTERED, "{lane}:17"), (Kind.ALTERED, "{lane}")},
    ),
    "an event lost in the outbox": (
        "adder",
        "DELETE FROM events WHERE lane = NUMBER AND seq = 17",
        {(Kind.LOST, "{lane}:17")},
    ),
    "the first event lost in the outbox": (
        "adder",
        "DELETE FROM events WHERE lane = NUMBER AND seq = 1",
        {(Kind.LOST, "{lane}:1")},
    ),
    "the last event lost in the outbox": (
        "adder",
        "DELETE FROM events WHERE lane = NUMBER AND seq = 40",
        {(Kind.LOST, "{lane}:40")},
    ),
    "an event doubled in the outbox": (
        "adder",
        "INSERT INTO events SELECT * FROM events WHERE lane = NUMBER AND seq = 17",
        {(Kind.DOUBLED, "{lane}:17")},
    ),
    "one lost and another doubled": (
        "adder",
        "UPDATE events SET seq = 18 WHERE lane = NUMBER AND seq = 17",
        {(Kind.LOST, "{lane}:17"), (Kind.DOUBLED, "{lane}:18"), (Kind.ALTERED, "{lane}:18")},
    ),
    "an event beyond the lane's end": (
        "adder",
        "INSERT INTO events SELECT lane, 41, x, y, created_at FROM events WHERE lane = NUMBER AND seq = 17",
        {(Kind.INVENTED, "{lane}:41")},
    ),
    "an event of no lane": (
        "adder",
        "INSERT INTO events SELECT 999, 1, x, y, created_at FROM events WHERE lane = NUMBER AND seq = 17",
        {(Kind.INVENTED, "number 999")},
    ),
    "a foreign event forgotten": (
        "totalizer",
        "DELETE FROM processed_events WHERE event_id::text LIKE '%c'",
        {(Kind.LOST, str(FOREIGN[1]))},
    ),
    "a foreign event remembered that never was": (
        "totalizer",
        "INSERT INTO processed_events SELECT gen_random_uuid(), day FROM processed_day",
        {(Kind.ALTERED, "foreign events")},
    ),
    "a dead letter lost": ("totalizer", "DELETE FROM dead_letters", {(Kind.LOST, "{topic}/1@")}),
    "an event parked that nobody accepted": (
        "totalizer",
        "INSERT INTO parked SELECT lane, 77, 1, 1, 2, now(), topic, partition, 0 FROM lane_marks WHERE lane = LANE",
        {(Kind.INVENTED, "{lane}:77"), (Kind.INVENTED, "the parked events"), (Kind.ALTERED, "{lane}")},
    ),
}


@pytest.mark.parametrize("case", IN_A_DATABASE)
def test_an_event_tampered_with_in_a_database_is_named(copy: Scene, case: str) -> None:
    """The deep audit names the event; other events are not accused."""
    side, statement, wanted = IN_A_DATABASE[case]
    copy.spoil(side, statement)
    found = {(kind, _without_offset(subject)) for kind, subject in named(copy.deep())}
    assert found == {(kind, subject.format(lane=copy.lane, topic=copy.topic)) for kind, subject in wanted}


def _without_offset(subject: str) -> str:
    head, at, _ = subject.partition("@")
    return head + at


def _spoiled(made: Original, seq: int, *instead: Kept) -> list[Kept]:
    """Return the topic's records with others in the place of one of the spoilt lane."""
    kept: list[Kept] = []
    for record in made.records:
        place = position(record[2])
        is_it = place is not None and (place.lane, place.seq) == (made.lanes[0], seq)
        kept.extend([(record[0], each[1], each[2]) for each in instead] if is_it else [record])
    return kept


def _record(made: Original, seq: int, x: int, partition: int = 0) -> Kept:
    lane = made.lanes[0]
    headers: list[tuple[str, bytes | None]] = [(LANE_HEADER, str(lane).encode()), (SEQ_HEADER, b"%d" % seq)]
    return partition, LaneEncoder(lane).encode(seq, x, 7, WHEN, WHEN), headers


def test_an_event_lost_in_the_topic_is_named(original: Original) -> None:
    """A record that should be there and is not."""
    with copied(original, _spoiled(original, 17)) as copy:
        assert (Kind.LOST, copy.at(17)) in named(copy.deep())


def test_the_last_event_of_a_lane_lost_in_the_topic_is_named(original: Original) -> None:
    """Nothing after it betrays the loss; how far the lane is published does."""
    with copied(original, _spoiled(original, LANE_EVENTS)) as copy:
        assert (Kind.LOST, copy.at(LANE_EVENTS)) in named(copy.deep())


def test_an_event_altered_in_the_topic_is_named(original: Original) -> None:
    """A record with other numbers than were accepted, named with what both sides say."""
    with copied(original, _spoiled(original, 17, _record(original, 17, 999))) as copy:
        report = copy.deep()
    assert named(report) == {(Kind.ALTERED, copy.at(17))}
    assert "999 + 7 at" in report.findings[0].detail
    assert "17 + 7 in the outbox" in report.findings[0].detail


def test_an_event_sent_twice_is_no_fault_and_is_told(copy: Scene) -> None:
    """The protocol allows it, the totalizer counts it once; with other numbers it is one."""
    place = copy.partition()
    copy.send(*_record(copy.original, 17, 17)[1:], place)
    report = copy.deep()
    assert report.findings == []
    assert report.figures["topic_repeated"] == 1
    assert [note.partition("@")[0] for note in report.notes] == [f"sent again: {copy.at(17)} at {copy.topic}/{place}"]
    copy.send(*_record(copy.original, 17, 18)[1:], place)
    assert named(copy.deep()) == {(Kind.ALTERED, copy.at(17))}


def test_an_event_that_nobody_accepted_is_named_by_its_place_in_the_topic(copy: Scene) -> None:
    """Somebody who writes to the topic in a lane's name is found before the totalizer reads it."""
    copy.send(*_record(copy.original, 41, 5)[1:], copy.partition())
    ((kind, subject),) = named(copy.deep())
    assert kind is Kind.INVENTED
    assert subject.startswith(f"{copy.topic}/{copy.partition()}@")


def test_a_record_in_another_partition_than_its_lane_is_named(copy: Scene) -> None:
    """A lane keeps its order by staying in one partition."""
    other = (copy.partition() + 1) % 3
    copy.send(*_record(copy.original, 17, 17)[1:], other)
    found = named(copy.deep())
    assert len(found) == 1
    assert all(kind is Kind.INVENTED for kind, _ in found)


def test_lag_is_no_fault(copy: Scene) -> None:
    """Events that are accepted and not counted are lag as long as the totalizer has not read past them."""
    copy.spoil("adder", "INSERT INTO events SELECT NUMBER, 41, 50, 50, WHEN")
    copy.spoil("adder", "UPDATE lanes SET last_seq = 41, count = 41, sum = sum + 100 WHERE lane = LANE")
    report = copy.deep()
    assert report.findings == []
    assert (report.lag, report.unpublished) == (1, 1)


def test_events_behind_a_transaction_that_another_producer_has_open_are_lag(copy: Scene) -> None:
    """Nobody can read them before it ends: they are not lost, and the deep audit says where it stopped."""
    copy.spoil("adder", "INSERT INTO events SELECT NUMBER, 41, 50, 7, WHEN")
    copy.spoil("adder", "UPDATE lanes SET last_seq = 41, count = 41, sum = sum + 57 WHERE lane = LANE")
    copy.spoil("adder", "UPDATE lanes SET published_seq = 41 WHERE lane = LANE")
    with copy.transaction(copy.partition()) as at:
        copy.send(*_record(copy.original, 41, 50)[1:], copy.partition())
        report = copy.deep()
    assert (report.findings, report.lag) == ([], 1)
    told = f"read up to {copy.topic}/{copy.partition()}@{at}: there a transaction of another producer is open"
    assert told in report.notes


def test_a_tampered_event_among_those_on_their_way_is_seen_at_once(copy: Scene) -> None:
    """Of a lane that lags the events beyond the mark are added up: a change there shows without --deep."""
    copy.spoil("adder", "INSERT INTO events SELECT NUMBER, 41, 50, 51, WHEN")
    copy.spoil("adder", "UPDATE lanes SET last_seq = 41, count = 41, sum = sum + 100 WHERE lane = LANE")
    assert named(copy.audit()) == {(Kind.ALTERED, str(copy.lane))}


def test_days_dropped_by_retention_are_no_loss(copy: Scene) -> None:
    """What is counted may leave the outbox with its day; the totals still prove it."""
    with psycopg.connect(copy.adder, autocommit=True) as connection:
        connection.execute("UPDATE lanes SET opened_at = opened_at - interval '9 days'")
        connection.execute("DELETE FROM events WHERE seq < 20")
    report = copy.deep()
    assert report.findings == []
    assert report.figures["topic_records_in_outbox"] == 80 - 2 * 19


@pytest.mark.parametrize("statement", ["DELETE FROM totals WHERE name = ''", "DELETE FROM foreign_totals"])
def test_a_total_that_is_gone_is_a_finding(copy: Scene, statement: str) -> None:
    """A deleted row is no error of the audit, it is what the audit is for."""
    copy.spoil("totalizer", statement)
    assert named(copy.audit()) == {(Kind.ALTERED, "total")}


def test_a_first_event_that_is_a_dead_letter_holds_its_lane(copy: Scene) -> None:
    """A lane of which nothing was ever counted has no row yet, and its next event is the first."""
    with psycopg.connect(copy.totalizer, autocommit=True) as connection:
        connection.execute("UPDATE dead_letters SET lane = %s, seq = 1", (FOREIGN[0],))
        letters = [letter.lane for letter in copy.books().cut().dead_letters]
        assert letters == [FOREIGN[0]]
        connection.execute("UPDATE dead_letters SET seq = 2")
        assert list(copy.books().cut().dead_letters) == []


def test_what_cannot_be_read_is_said_and_is_no_clean_audit(copy: Scene) -> None:
    """A database without the tables is an error with its reason, never a report."""
    with psycopg.connect(copy.totalizer, autocommit=True) as connection:
        connection.execute("DROP TABLE foreign_totals")
    with pytest.raises(SumflowError, match="cannot be read") as caught:
        copy.audit()
    assert "foreign_totals" in caught.value.why

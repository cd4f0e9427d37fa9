"""Records that no relay wrote: events of other producers, repeated or not, and what is no event at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec

from sumflow.sums.event import LANE_HEADER, PROBE_HEADER, SEQ_HEADER, TOTAL_HEADER
from sumflow.totalizer.records import Headers
from tests.simulation.clock import CLOCK
from tests.simulation.kafka import Record, Stranger, Topic

_WHEN: Final = "2026-01-02T03:04:05.678901Z"
_LOST_HEADERS: Final = ((LANE_HEADER,), (SEQ_HEADER,), (LANE_HEADER, SEQ_HEADER))
_NAMED: Final[tuple[Headers, ...]] = ([], [], [(TOTAL_HEADER, b"rent")], [(TOTAL_HEADER, "\u00e9".encode())])


def write(topic: Topic, partition: int) -> None:
    """Write an event that has no lane, perhaps of a named total."""
    random = CLOCK.random
    x, headers = int(random.random() * 1000), _NAMED[int(random.random() * len(_NAMED))]
    event_id = UUID(int=random.getrandbits(128), version=4)
    total = headers[0][1] if headers else None
    stranger = Stranger(event_id, x + 1, total.decode() if total else "")
    topic.append(Record(_event(event_id, x, x + 1), partition, headers, stranger=stranger))


def repeat(topic: Topic, partition: int) -> None:
    """Write an event again that some partition has, or a new one twice if there is none."""
    if not any(record.stranger for log in topic.logs for record in log):
        write(topic, int(CLOCK.random.random() * len(topic.logs)))
    known = [record for log in topic.logs for record in log if record.stranger]
    record = known[int(CLOCK.random.random() * len(known))]
    topic.append(Record(record.value(), partition, record.headers(), stranger=record.stranger))


def spoil(topic: Topic, partition: int) -> None:
    """Write what cannot be counted."""
    value, headers = _SPOILT[int(CLOCK.random.random() * len(_SPOILT))]()
    topic.append(Record(value, partition, headers, is_poison=True))


def probe(topic: Topic, partition: int) -> None:
    """Write what checks a broker, and counts nothing."""
    topic.append(Record(_event(UUID(int=1), 5, 6), partition, [(PROBE_HEADER, b"")], is_probe=True))


def forge(topic: Topic) -> bool:
    """Write a lane's event again so that it is not what its headers say; return False if there is none."""
    known = [record for log in topic.logs for record in log if record.lane]
    if not known:
        return False
    record = known[int(CLOCK.random.random() * len(known))]
    headers = dict(record.headers() or ())
    if CLOCK.random.random() < 0.5:
        headers[SEQ_HEADER] = b"%d" % (record.seq + 1)
    else:
        for lost in _LOST_HEADERS[int(CLOCK.random.random() * len(_LOST_HEADERS))]:
            del headers[lost]
    topic.append(Record(record.value(), record.partition(), list(headers.items()), is_poison=True))
    return True


def _event(event_id: UUID, x: int, result: int, event_type: str = "sum.calculated") -> bytes:
    payload = {"x": x, "y": 1, "result": result}
    event = {"event_id": str(event_id), "aggregate_type": "sum", "aggregate_id": "till", "event_type": event_type}
    return msgspec.json.encode(event | {"payload": payload, "created_at": _WHEN})


_SPOILT: Final[tuple[Callable[[], tuple[bytes | None, Headers]], ...]] = (
    lambda: (b"{", []),
    lambda: (None, []),
    lambda: (_event(UUID(int=2), 1, 3), []),
    lambda: (_event(UUID(int=3), 1, 2, "sum.forgotten"), []),
    lambda: (_event(UUID(int=4), 1, 2), [(TOTAL_HEADER, b"\xff")]),
    lambda: (_event(UUID(int=5), 1, 2), [(SEQ_HEADER, b"1")]),
)

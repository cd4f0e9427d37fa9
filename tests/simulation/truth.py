"""What really happened, seen from above, and the rules that hold at every moment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from sumflow.sums.event import Position
from tests.simulation.adder_store import AdderStore, LaneRow
from tests.simulation.kafka import Record, Stranger, Topic
from tests.simulation.storage import Violation, Write
from tests.simulation.totalizer_store import TotalizerStore

Place = tuple[UUID, int]
Addition = tuple[int, int, str]
"""x, y, and the name of the total."""
Named = dict[str, tuple[int, int]]
"""By name: count and sum."""


@dataclass(slots=True, eq=False)
class Operation:
    """What a client wants added, as one request.

    Its numbers are like no other operation's, so an addition can be told from all others wherever it appears.
    """

    xs: tuple[int, ...]
    ys: tuple[int, ...]
    request_id: str
    totals: tuple[str, ...] = ()
    is_waiting: bool = False
    is_unknown: bool = False
    """Sent, and nobody said what became of it; it is sent again only if it has a request id."""
    attempts: int = 0
    """So many requests of it may still be stored: they are on their way, or nobody said what became of them."""
    stored_before: int = 0
    """How often it was stored when the first of them was sent."""
    is_refused: bool = False
    """Its id was used before, for something else."""
    acknowledged: Position | None = None
    places: list[Place] = field(default_factory=list)
    """Where its first addition was stored; more than one is a double, unless a fail-over lost the others."""
    rivals: list[Operation] = field(default_factory=list)
    """Other operations that a careless client gave the same id: one of them all can be stored."""

    @property
    def first(self) -> Addition:
        """Its first addition, which no other operation has."""
        return self.xs[0], self.ys[0], self.totals[0] if self.totals else ""


@dataclass(slots=True, eq=False)
class LaneTruth:
    """What was ever stored of a lane: the lists have one item for each seq, after one for none."""

    additions: list[Addition | None] = field(default_factory=lambda: [None])
    sums: list[int] = field(default_factory=lambda: [0])
    """Of all up to each seq."""
    named: list[Named] = field(default_factory=lambda: [{}])
    """What is under each name up to each seq."""
    partition: int | None = None
    """Where all of it goes."""
    published: int = 0
    """Up to where Kafka has it without a gap."""
    ahead: set[int] = field(default_factory=set)
    """What Kafka has beyond that."""


class Truth:
    """Watches every commit, every record and every answer, and raises Violation.

    Args:
        topic: whose records are counted.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self.adder = AdderStore(self._adder_committed)
        self.totalizer = TotalizerStore(self._totalizer_committed)
        self.operations: dict[Addition, Operation] = {}
        """By their first additions."""
        self._lanes: defaultdict[UUID, LaneTruth] = defaultdict(LaneTruth)
        self._strangers: dict[UUID, Stranger] = {}
        """Every event without a lane that was ever written, by its id."""
        self.lost: set[Place] = set()
        """What a fail-over to a stale replica took away."""
        self.rebuilds = 0
        """How often the totals were rebuilt."""
        self._is_rebuilding = self._takes_back = False
        self._looked_at = topic.identity, [0 for _ in topic.logs]
        """The topic's identity, and where partitions ended, when a rebuild looked at the topic."""
        self._passed_over: set[Record] = set()
        """Records before the places from which reading began anew after a rebuild, and which it rightly leaves out."""

    def close(self) -> None:
        """Let go of the databases and the topic, which know their watcher."""
        del self._topic.on_append
        vars(self.adder).clear()
        vars(self.totalizer).clear()

    def _adder_committed(self, writes: list[Write]) -> None:
        store = self.adder
        for table, key, value in writes:
            if table is store.events:
                self._stored(store.lanes[key[0]].lane, key[1], (value[1], value[2], value[5] or ""))
        for table, key, value in writes:
            if table is store.lanes:
                self._check_lane(value)
                if len(writes) > 1:  # what is stored moves a row of `lanes` and others with it
                    self._check_named(key, value)

    def _stored(self, lane: UUID, seq: int, addition: Addition) -> None:
        place, (x, y, name), truth = (lane, seq), addition, self._lanes[lane]
        if seq != len(truth.additions):
            before = "was given out twice" if seq < len(truth.additions) else "was stored before those before it"
            raise Violation(f"{lane}:{seq} {before}")
        truth.additions.append(addition)
        truth.sums.append(truth.sums[-1] + x + y)
        named = truth.named[-1]
        if name:
            count, value = named.get(name, (0, 0))
            named = named | {name: (count + 1, value + x + y)}
        truth.named.append(named)
        if operation := self.operations.get(addition):
            if self._is_kept(operation):
                raise Violation(f"operation {addition} was stored twice: {operation.places} and {place}")
            if any(map(self._is_kept, operation.rivals)):
                raise Violation(f"operation {addition} was stored at {place}, and another with its id before")
            if not operation.attempts:
                raise Violation(f"operation {addition} was stored, and the client knows that it was not")
            operation.places.append(place)

    def _is_kept(self, operation: Operation) -> bool:
        return not all(place in self.lost for place in operation.places)

    def sent(self, operation: Operation) -> None:
        """Know of one more request that may be stored."""
        if not operation.attempts:
            operation.stored_before = len(operation.places)
        operation.attempts += 1

    def not_stored(self, operation: Operation) -> None:
        """Check what the client is told: this request was not stored."""
        operation.attempts -= 1
        is_explained = operation.acknowledged or operation.attempts or len(operation.places) == operation.stored_before
        if not is_explained:
            raise Violation(f"operation {operation.first} was stored, and the client is told that it was not")

    def refused(self, operation: Operation, message: str) -> None:
        """Check what the client is told whose id was used before: for what, which is true, and it was not for this."""
        if operation.places and self._is_kept(operation):
            raise Violation(f"operation {operation.first} is stored, and was refused: {message}")
        if not any(f" {rival.xs[0]} + {rival.ys[0]}" in message for rival in operation.rivals if rival.places):
            raise Violation(f"operation {operation.first} was refused for another that is not stored: {message}")
        operation.is_refused, operation.attempts = True, operation.attempts - 1

    def _check_lane(self, row: LaneRow) -> None:
        truth = self._lanes[row.lane]
        if row.published_seq > truth.published:
            raise Violation(f"{row.lane} is recorded as published up to {row.published_seq}, Kafka does not have all")
        if row.counted != row.last_seq or row.sum != truth.sums[row.last_seq]:
            raise Violation(f"{row.lane}: seq {row.last_seq}, count {row.counted} and sum {row.sum} do not agree")

    def _check_named(self, number: int, row: LaneRow) -> None:
        truth = self._lanes[row.lane]
        kept = {name: tally for (lane, name), tally in self.adder.lane_totals.items() if lane == number}
        if kept != truth.named[row.last_seq]:
            raise Violation(f"{row.lane}: {kept} are not its named sums up to seq {row.last_seq}")

    def fail_over(self, transactions: int) -> None:
        """Put a replica in the place of the adder's database that has not seen the last transactions."""
        before = self._places()
        self.adder.end_all()
        self.adder.journal.fall_behind(transactions)
        self.lost |= before - self._places()

    def _places(self) -> set[Place]:
        lanes = self.adder.lanes
        return {(lanes[number].lane, seq) for number, seq in self.adder.events}

    def appended(self, record: Record) -> None:
        """Check a record that Kafka has from now on."""
        if record.stranger:
            self._strangers[record.stranger.event_id] = record.stranger
        if record.lane is None:
            return
        truth, seq = self._lanes[record.lane], record.seq
        if truth.partition not in (None, record.partition()):
            raise Violation(f"{record.lane}:{seq} went to partition {record.partition()}, others to {truth.partition}")
        truth.partition = record.partition()
        if seq >= len(truth.additions):
            raise Violation(f"{record.lane}:{seq} was published before it was stored")
        if seq != truth.published + 1:
            truth.ahead.add(seq)
            return
        truth.published = seq
        while truth.published + 1 in truth.ahead:
            truth.published += 1

    def is_kept(self, position: Position) -> bool:
        """Tell whether the adder's database has the addition."""
        return any(row.lane == position.lane and row.last_seq >= position.seq for row in self.adder.lanes.values())

    def acknowledged(self, operation: Operation, position: Position) -> None:
        """Check what a client is told: all of the request is stored, right there, once."""
        last = position.seq
        totals = operation.totals or [""] * len(operation.xs)
        asked = list(zip(operation.xs, operation.ys, totals, strict=True))
        stored = self._lanes[position.lane].additions[max(last - len(asked), 0) + 1 : last + 1]
        if stored != asked:
            raise Violation(f"{position} was acknowledged for {asked}, but what is stored there is {stored}")
        earlier = operation.acknowledged
        if earlier and earlier != position and (earlier.lane, earlier.seq) not in self.lost:
            raise Violation(f"a request was answered with {earlier}, its repeat with {position}")
        operation.acknowledged, operation.attempts = position, operation.attempts - 1

    def _totalizer_committed(self, writes: list[Write]) -> None:
        store = self.totalizer
        for table, key, value in writes:
            if table is store.marks and value is not None:
                sums = self._lanes[key].sums
                if value.mark >= len(sums) or value.counted != value.mark or value.sum != sums[value.mark]:
                    raise Violation(f"lane {key} has {value}, its sums are {sums}")
            elif table is store.dead_letters:
                self._check_dead_letter(*key)
        if self._is_rebuilding and any(row.topic_id != self._looked_at[0] for row in store.offsets.values()):
            raise Violation(f"a rebuild looked at the topic {self._looked_at[0]}, stored are {store.offsets}")
        for table, key, value in writes:
            if table is store.offsets and value.topic_id == self._topic.identity:
                if self._is_rebuilding:
                    self._pass_over(key, value.next_offset)
                self._check_nothing_skipped(key, value.next_offset)
        self._check_parked(writes)
        if store.totals != (expected := self._expected_totals()):
            raise Violation(f"the totals are {store.totals}, the lanes make {expected}")

    def _expected_totals(self) -> Named:
        """Return what the counted events of all lanes make under each name; a name that nothing has is not there."""
        rows, foreign = self.totalizer.marks, self._foreign()
        if foreign != self.totalizer.foreign:
            raise Violation(f"events without a lane brought {foreign}, kept apart are {self.totalizer.foreign}")
        count = foreign[""][0] + sum(row.counted for row in rows.values())
        value = foreign[""][1] + sum(row.sum for row in rows.values())
        named = {name: brought for name, brought in foreign.items() if name}
        for lane, row in rows.items():
            for name, brought in self._lanes[lane].named[row.mark].items():
                _add(named, name, *brought)
        for brought in named.values():
            count, value = count - brought[0], value - brought[1]
        return {"": (count, value)} | named

    def _foreign(self) -> Named:
        """Return what the events without a lane that are counted make, of all names together and of each."""
        foreign: Named = {"": (0, 0)}
        for event_id in self.totalizer.processed:
            stranger = self._strangers.get(event_id)
            if stranger is None:
                raise Violation(f"{event_id} is counted, and is no event of another producer")
            _add(foreign, "", 1, stranger.result)
            if stranger.total:
                _add(foreign, stranger.total, 1, stranger.result)
        return foreign

    def _check_dead_letter(self, topic_id: UUID, partition: int, offset: int) -> None:
        """What is put aside is what cannot be counted, and nothing else."""
        if topic_id == self._topic.identity and not self._topic.logs[partition][offset].is_poison:
            raise Violation(f"{self._topic.logs[partition][offset]} is an event, and was put aside")

    def _check_parked(self, writes: list[Write]) -> None:
        """A lane's row says how many of its events wait."""
        store = self.totalizer
        for lane in {key for table, key, _ in writes if table is store.marks}:
            waiting, row = sum(of == lane for of, _ in store.parked), store.marks.get(lane)
            if (row.parked if row else 0) != waiting:
                raise Violation(f"{waiting} events of {lane} wait, its row says {row}")

    def _check_nothing_skipped(self, partition: int, next_offset: int) -> None:
        for record in self._topic.logs[partition][:next_offset]:
            if not self._is_settled(record):
                raise Violation(f"{record} was skipped")

    def has_more(self) -> bool:
        """Tell whether the totalizer has more of a lane than the adder, which was brought back to an earlier moment."""
        ends = {row.lane: row.last_seq for row in self.adder.lanes.values()}
        read = [*((lane, row.mark) for lane, row in self.totalizer.marks.items()), *self.totalizer.parked]
        return any(seq > ends.get(lane, 0) for lane, seq in read)

    def rebuild_looks(self) -> None:
        """Know what the topic held when a rebuild, or an audit, looked at it."""
        self._looked_at = self._topic.identity, [len(log) for log in self._topic.logs]

    def rebuild_begins(self) -> None:
        """Judge the next commit of the totalizer as that of a rebuild: nobody else commits until it ends."""
        self._is_rebuilding, self._takes_back = True, self.has_more()

    def rebuild_ends(self) -> None:
        """Judge as usual from now on."""
        self._is_rebuilding = False

    def _pass_over(self, partition: int, start: int) -> None:
        """Check what a rebuild leaves out of the topic and was not counted: only what nobody can or may count there."""
        self.rebuilds += 1
        for record in self._topic.logs[partition][:start]:
            if self._is_settled(record):
                continue
            if not self._may_be_passed_over(record, start):
                raise Violation(f"a rebuild passes over {record}, and the totalizer does not know it")
            self._passed_over.add(record)
        for record in self._topic.logs[partition][start : self._looked_at[1][partition]]:
            if self._takes_back and record.lane and (record.lane, record.seq) in self.lost:
                raise Violation(f"a rebuild takes back what the adder lost, and {record} will count again")

    def _may_be_passed_over(self, record: Record, start: int) -> bool:
        """What retention took, or lies behind a lane that went back; of a lane, what is lost or comes again."""
        if record.lane is None:
            return self._takes_back or record.offset() < self._topic.first[record.partition()]
        later = self._topic.logs[record.partition()][start:]
        if (record.lane, record.seq) in self.lost or (record.lane, record.seq) in {(r.lane, r.seq) for r in later}:
            return True
        return any(
            row.lane == record.lane and row.published_seq < record.seq <= row.last_seq
            for row in self.adder.lanes.values()
        )

    def _is_settled(self, record: Record) -> bool:
        """Tell whether the totalizer knows what became of a record that it has read."""
        store = self.totalizer
        if record in self._passed_over:
            return True
        if record.lane:
            row = store.marks.get(record.lane)
            return (row is not None and row.mark >= record.seq) or (record.lane, record.seq) in store.parked
        if record.stranger:
            return record.stranger.event_id in store.processed
        return record.is_probe or (self._topic.identity, record.partition(), record.offset()) in store.dead_letters


def _add(named: Named, name: str, count: int, value: int) -> None:
    had = named.get(name, (0, 0))
    named[name] = (had[0] + count, had[1] + value)

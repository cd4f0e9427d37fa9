"""Mutants of the protocol: each breaks a rule that a history must miss."""

from __future__ import annotations

from typing import Final

from sumflow.adder import grouping, lanes, publisher, relay_session, requests, session, writer
from sumflow.sums import event
from sumflow.totalizer import consumer, fold, ledger, machine, positions, records
from tests.simulation.adder_store import AdderStore
from tests.simulation.mutant import Mutant
from tests.simulation.rebuild_mutants import REBUILD_MUTANTS
from tests.simulation.totalizer_store import Connection

_WRITE: Final = consumer.KafkaToTotal._write
_COMMIT: Final = session.LaneSession._commit
_ANSWER_FIRST: Final = """position = Position(session.lane, session.last_seq + len(group[0]))
        _answer(group[0], position)
        outcomes = await"""
_OWN_LANE: Final = """number = next((n for n, row in self.lanes.items() if row.owner == p["owner"]), 0)
    if number:
        self.advisory[1, number] = session
        return [(number, "")], 1
    number ="""
_MARK_FIRST: Final = """_finish(connection, batch, reading, outcome)
    connection.commit()
    _count_lanes("""

MUTANTS: Final = [
    Mutant("answer before the commit", ((writer.Writer._commit, "outcomes = await", _ANSWER_FIRST),), 0),
    Mutant("take a COMMIT without an answer for done", ((_COMMIT, "        raise\n", "        pass\n"),), 21),
    Mutant(
        "call a COMMIT without an answer undone",
        ((_COMMIT, "self.outcome_is_open and _may_have_committed(error)", "False"),),
        305,
    ),
    Mutant(
        "remember request ids outside of the transaction",
        ((_COMMIT, 'await self._cursor.execute("BEGIN")', "pass"),),
        37,
    ),
    Mutant("forget request ids", ((_COMMIT, "if not with_id:", "if True:"),), 7),
    Mutant(
        "store a repeat that comes in the same group",
        ((session.LaneSession.store, "split_repeats(group)", "(list(group), [])"), (_COMMIT, "return False", "pass")),
        18,
    ),
    Mutant(
        "two writers on a lane",
        (
            (AdderStore.open_lane, "number = max(self.lanes, default=0) + 1", "number = 1"),
            (AdderStore.store_group, "row.last_seq != before", "False"),
        ),
        3,
    ),
    Mutant(
        "use the lane again after reconnecting",
        (
            (AdderStore.open_lane, "number =", _OWN_LANE),
            (AdderStore.store_group, "row.last_seq != before or row.closed", "False"),
            (AdderStore.store_group, "before + 1)", "row.last_seq + 1)"),
        ),
        4,
    ),
    Mutant(
        "record what is sent as published",
        (
            (relay_session.RelaySession._record, "c.acknowledged.end) for", "c.sent_seq) for"),
            (relay_session.RelaySession._record, "if c.acknowledged.end >", "if c.sent_seq >"),
        ),
        0,
    ),
    Mutant(
        "take a failed delivery for acknowledged",
        ((publisher.Publisher._delivered, "self._fail(error)\n        return", "pass"),),
        73,
    ),
    Mutant("record the highest acknowledgement", ((lanes.Prefix.add, "self._ahead.add(seq)", "self.end = seq"),), 98),
    Mutant(
        "begin a claimed lane at its end",
        ((relay_session.RelaySession._claim, "partition, published_seq)\n", "partition, lane.last_seq)\n"),),
        4,
    ),
    Mutant(
        "publish a lane that another relay has",
        ((relay_session.RelaySession._claim, "[0][0]:", "[0]:"),),
        357,
    ),
    Mutant(
        "go on with a producer that failed",
        (
            (relay_session.RelaySession._publish, " and publisher.failure is None:", ":"),
            (publisher.Publisher.has_room, " and self.failure is None", ""),
        ),
        73,
    ),
    Mutant(
        "close a lane while its writer lives",
        (
            (AdderStore.close_abandoned, "(1, number) not in self.advisory and", ""),
            (AdderStore.store_group, " or row.closed", ""),
        ),
        9,
    ),
    Mutant(
        "finish a lane that is not published to its end",
        ((AdderStore.finish_drained, " and row.published_seq == row.last_seq", ""),),
        4,
    ),
    Mutant(
        "leave the lanes of dead writers open", ((AdderStore.close_abandoned, "and not row.closed", "and False"),), 3
    ),
    Mutant(
        "publish only the lanes of one's own adder",
        ((relay_session.RelaySession._survey, "self._watched = choice.watch", "pass"),),
        4,
    ),
    Mutant(
        "believe every announcement to arrive",
        ((relay_session.RelaySession._survey, "claim.sent_seq:", "2**63:"),),
        14,
    ),
    Mutant("skip the compare-and-set of offsets", ((ledger._lock_offsets, "if found != expected:", "if False:"),), 87),
    Mutant(
        "take what another consumer refused for counted",
        ((_WRITE, "machine.Trouble(str(lost))", "machine.Committed(batch.next_offsets)"),),
        12,
    ),
    Mutant(
        "take a transaction that failed for counted",
        ((_WRITE, 'machine.Trouble(f"PostgreSQL: {error}".strip())', "machine.Committed(batch.next_offsets)"),),
        11,
    ),
    Mutant("mark before write", ((ledger.record_batch, "_count_lanes(", _MARK_FIRST),), 0),
    Mutant("write before mark", ((ledger.record_batch, "_finish(", "connection.commit()\n    _finish("),), 0),
    Mutant("drop what is ahead", ((fold.fold_lane, "tuple(ahead.values())", "()"),), 197),
    Mutant("count what is ahead", ((fold.fold_lane, "if read.seq == mark + 1:", "if read.seq > mark:"),), 76),
    Mutant("count duplicates", ((fold.fold_lane, "if read.seq == mark + 1:", "if read.seq <= mark + 1:"),), 8),
    Mutant("leave what is parked", ((ledger._count_lanes, "if parked}", "if False}"),), 197),
    Mutant(
        "keep what was parked and counts now",
        ((Connection.unpark, "self.set(self.store.parked, (lane, seq), None)", "pass"),),
        197,
    ),
    Mutant("forget the sum of what was parked", ((ledger._unpark, "change.sum + int(total)", "change.sum"),), 319),
    Mutant(
        "forget that the mark passed what was parked",
        ((ledger._unpark, "change.mark, change.count", "_, change.count"),),
        319,
    ),
    Mutant(
        "answer a repeat in the same group with another position",
        ((grouping.Placed.known, "self.last_seq", "self.last_seq - 1"),),
        96,
    ),
    Mutant("ignore the topic's identity", ((positions.decide_identity, "if others :=", "if False and"),), 10),
    Mutant(
        "go to the earliest offset silently",
        ((positions.decide_positions, "return Halt(reason,", "positions[partition] = first; continue; Halt(reason,"),),
        4,
    ),
    Mutant(
        "go to the latest offset silently",
        ((positions.decide_positions, "return Halt(reason,", "positions[partition] = end; continue; Halt(reason,"),),
        4,
    ),
    Mutant(
        "step over a record that cannot be read",
        (
            (consumer.KafkaToTotal._take, "is not None), None)) is not None:", "is not None), None)) is Consuming:"),
            (
                consumer.KafkaToTotal._take,
                "message) for message in messages]",
                "m) for m in messages if not m.error()]",
            ),
        ),
        3,
    ),
    Mutant(
        "count from offsets that are not the stored ones",
        ((ledger._lock_offsets, "if found != expected:", "if len(found) != len(expected):"),),
        87,
    ),
    Mutant(
        "trust a position while nothing is read", ((positions.have_moved, "return any(", "return False and any("),), 21
    ),
    Mutant(
        "start where Kafka's copy of the offsets is",
        ((consumer.KafkaToTotal._look_up, "found = decide", "found = self._consumer.committed or decide"),),
        12,
    ),
    Mutant("count a named addition in the one total", ((fold.fold_lane, "if counted.total:", "if False:"),), 0),
    Mutant(
        "count a named addition in its total and in the one",
        (
            (
                ledger._finish,
                "outcome.counted - sum(brought.count for brought in outcome.named.values())",
                "outcome.counted",
            ),
            (ledger._finish, "outcome.sum - sum(brought.sum for brought in outcome.named.values())", "outcome.sum"),
        ),
        0,
    ),
    Mutant("forget the name of what was parked", ((ledger._unpark, "if name and count:", "if False:"),), 319),
    Mutant("park without the name", ((ledger._park, "e.total for _, e in", '"" for _, e in'),), 319),
    Mutant(
        "let one lane's name hide another's",
        ((ledger._include, "tally(named, name, brought.count, brought.sum)", "named[name] = brought"),),
        9,
    ),
    Mutant("publish without the name", ((publisher.Publisher.publish, "if total:", "if False:"),), 0),
    Mutant("store without the name", ((grouping.columns, "any(request.totals for request in requests)", "False"),), 0),
    Mutant(
        "name a whole request after its first addition",
        ((grouping.columns, "name in request.totals or", "name in request.totals[:1] * len(request) or"),),
        0,
    ),
    Mutant("keep no named sums of a lane", ((grouping.named, "if name:", "if False:"),), 0),
    Mutant("leave the lane's end where it was", ((_COMMIT, "self.last_seq = placed[-1].last_seq", "pass"),), 0),
    Mutant(
        "say of what waits that it may be stored",
        ((writer.Writer._serve, "self._queue.take_all(), _NOT_STORED", "self._queue.take_all(), _OPEN"),),
        68,
    ),
    Mutant(
        "say that a request may be stored whose commit was not sent",
        ((_COMMIT, "    self.outcome_is_open = False\n    self.last_seq", "    self.last_seq"),),
        28,
    ),
    Mutant(
        "believe that a server that stops has not committed",
        ((session._may_have_committed, '("08", "57P")', '"08"'),),
        932,
    ),
    Mutant("answer who has gone", ((writer._answer, "request.answer.done()", "False"),), 63),
    Mutant(
        "store on a lane that was closed",
        ((session.LaneSession._insert, "self._cursor.rowcount != 1", "self._cursor.rowcount > 1"),),
        50,
    ),
    Mutant(
        "give other numbers the answer of their id",
        ((grouping.Known.outcome_for, "self.digest == request.digest()", "True"),),
        24,
    ),
    Mutant(
        "leave the second numbers out of a request's fingerprint",
        ((requests.Request.digest, 'numbers.update(array("q", self.ys).tobytes())', "pass"),),
        37,
    ),
    Mutant(
        "leave the names out of a request's fingerprint",
        ((requests.Request.digest, "if not self.totals:", "if True:"),),
        37,
    ),
    Mutant(
        "never answer a repeat in the same group", ((grouping.split_repeats, "repeats.append(request)", "pass"),), 37
    ),
    Mutant(
        "forget what is announced while a lane is read",
        (
            (relay_session.RelaySession._send, "self._dirty.discard(number)  #", "#"),
            (
                relay_session.RelaySession._send,
                "await self._send_chunk(publisher, claim)",
                "await self._send_chunk(publisher, claim)\n        self._dirty.discard(number)",
            ),
        ),
        12,
    ),
    Mutant(
        "spread a lane over partitions",
        ((publisher.Publisher.publish, "claim.partition,", "(claim.partition + seq) % 2,"),),
        0,
    ),
    Mutant(
        "take what counts for what is gone of what was parked",
        ((ledger._unpark, "change.parked -= gone", "change.parked -= count"),),
        197,
    ),
    Mutant(
        "begin a partition that nobody has read where Kafka begins",
        ((positions.decide_positions, "else 0 for", "else facts.first_offsets[partition] for"),),
        4,
    ),
    Mutant(
        "move the offset of one partition only",
        ((ledger._finish, "sorted(batch.next_offsets)", "sorted(batch.next_offsets)[:1]"),),
        34,
    ),
    Mutant(
        "forget the positions of partitions that a batch lacks",
        ((machine._progress, "{**positions, **next_offsets}", "next_offsets"),),
        8,
    ),
    Mutant("never look at the topic again", ((machine._tick, "case _ if now_s >=", "case _ if 0 * now_s >="),), 21),
    Mutant(
        "count an event of another producer each time",
        ((ledger._count_foreign, "[events[event_id] for (event_id,) in new]", "list(events.values())"),),
        79,
    ),
    Mutant("count a copy of a lane's event", ((records._refuse_copy, "if 0 < seq < SEQ_END:", "if False:"),), 24),
    Mutant("keep nothing apart of other producers", ((ledger._count_foreign, "if counted:", "if False:"),), 28),
    Mutant("put nothing aside", ((ledger._bury, "if not poison:", "if True:"),), 22),
    Mutant(
        "stay at what cannot be read",
        ((records.sort, "    batch.next_offsets[", "    else: batch.next_offsets["),),
        46,
    ),
    Mutant(
        "take half of a lane's headers for none",
        ((records._take, "LANE_HEADER in headers or SEQ_HEADER", "LANE_HEADER in headers and SEQ_HEADER"),),
        22,
    ),
    Mutant(
        "take headers at their word",
        ((records._take, "event.event_id.int != identity.id_base + seq", "event.event_id.int == 0"),),
        27,
    ),
    Mutant("take a result at its word", ((event.decode, "numbers.x + numbers.y != numbers.result", "False"),), 26),
    *REBUILD_MUTANTS,
]

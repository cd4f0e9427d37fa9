"""Mutants of a rebuild of the totals."""

from __future__ import annotations

from typing import Final

from sumflow.recovery import plan as planning
from sumflow.recovery import rebuild
from tests.simulation.mutant import Mutant

_LOOK_AGAIN: Final = """topic, topic)
        late = books.extents()
        decided.starts.update({p: late[p].end for p in decided.starts} if decided.ahead else {})
        if"""

REBUILD_MUTANTS: Final = [
    Mutant("rebuild beside running totalizers", ((rebuild.rebuild, "counting.execute(_sql.hold_totals)", "pass"),), 96),
    Mutant(
        "rebuild the totals and not the marks",
        ((rebuild._write, "counting.execute(_sql.set_lanes, columns)", "pass"),),
        12,
    ),
    Mutant(
        "rebuild without foreign events",
        ((planning.plan, " + cut.foreign.count", ""), (planning.plan, " + cut.foreign.sum", "")),
        88,
    ),
    Mutant(
        "rebuild named totals without foreign events",
        ((planning.plan, "in cut.foreign_totals.items()", "in ()"),),
        88,
    ),
    Mutant(
        "read the topic from its end after every rebuild",
        ((planning.plan, "extent.end if ahead else extent.first", "extent.end"),),
        96,
    ),
    Mutant(
        "read what was taken back again",
        ((planning.plan, "extent.end if ahead else extent.first", "extent.first"),),
        21,
    ),
    Mutant("take back without consent", ((rebuild.rebuild, "decided.ahead and not take_back", "False"),), 730),
    Mutant(
        "look at the topic after the adder",
        ((rebuild.rebuild, "topic, topic)\n        if", _LOOK_AGAIN),),
        1690,
    ),
    Mutant(
        "forget what is parked of what the adder lost",
        ((planning._ahead, "parked.last_seq if parked else 0", "0"),),
        320,
    ),
    Mutant(
        "leave what is parked in a rebuild", ((rebuild._write, "counting.execute(_sql.forget_parked)", "pass"),), 320
    ),
    Mutant(
        "leave lanes that the adder does not have",
        ((rebuild._write, 'counting.execute(_sql.forget_lanes, {"lanes": list(decided.forgotten)})', "pass"),),
        21,
    ),
    Mutant(
        "count lanes that nobody has published",
        ((planning.plan, "row.partition is not None and row.last_seq", "row.last_seq"),),
        109,
    ),
    Mutant(
        "leave the topic's former identity in a rebuild",
        ((rebuild._write, "held.topic_id,", "next(iter(decided.lanes), held.topic_id),"),),
        12,
    ),
]

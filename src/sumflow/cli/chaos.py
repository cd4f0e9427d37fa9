"""`sumflow chaos`: a system is broken on purpose under load, and what that cost is judged."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sumflow.cli import clusters, remote, staging, units
from sumflow.cli.output import Output, common_options, examples
from sumflow.errors import SumflowError, UsageError
from sumflow.interruption import interruptible

if TYPE_CHECKING:
    from sumflow.chaos.faults import Choice, Fault
    from sumflow.chaos.run import Result
    from sumflow.chaos.target import Target
    from sumflow.chaos.verdict import Happened, Verdict

_PROFILE = "dev"
_SEEDS = 1_000_000
_REMIND_EVERY_S = 5.0


@click.command(
    epilog=examples(
        "sumflow chaos                                      a minute on a system of its own, profile dev",
        "sumflow chaos --profile spec --plot run.svg        3 brokers and 3 ZooKeeper nodes, and a picture",
        "sumflow chaos --seed 42 --faults kill,freeze:kafka    kills of anything, brokers that stand still",
        "sumflow chaos --duration 600 --json | jq .verdict",
        "sumflow chaos --on kubernetes --context staging    the deployed system itself, after asking",
    )
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(5, 86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long faults are done under load; the last fifth of it is quiet.",
)
@click.option("--seed", type=int, metavar="N", help="Decides what is broken when; the same seed, the same plan.")
@click.option(
    "--faults",
    default="",
    metavar="KIND[:TARGET],...",
    help="Only these: kill, freeze, restart, cut, stall, slow, disk; of all targets, or of one (kafka, kafka-0).",
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw the run as SVG.")
@click.option("--rate", type=click.FloatRange(1, 10_000), default=400, show_default=True, help="Additions a second.")
@click.option("--profile", metavar="NAME", help="dev (if nothing is said), kraft or spec; on a cluster what is there.")
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Read another directory k8s than the installed one.",
)
@click.option("--yes", "-y", is_flag=True, help="On a cluster: do not ask.")
@clusters.place_options
@common_options
def chaos(
    duration_s: float,
    seed: int | None,
    faults: str,
    plot: Path | None,
    rate: float,
    profile: str | None,
    manifests: Path | None,
    yes: bool,
    output: Output,
) -> int:
    """Break a system on purpose under load, and judge what it cost.

    Clients that keep their own books add all the time, while processes are killed, stopped and restarted, connections
    cut and slowed, and the disk is filled. Then everything must recover, and what clients, outbox and total say must
    agree to the last addition. The system is one of its own, removed at the end; yours is not touched. With --on
    kubernetes it is the deployed one: processes and pods are ended and stopped, and the clients' line is broken.

    Exit code 1 says that an acknowledged addition was lost or counted twice, or that something did not recover.
    """
    from sumflow.chaos import faults as vocabulary
    from sumflow.chaos.plan import plan as make_plan
    from sumflow.chaos.run import run

    choices = vocabulary.parse(faults)
    seed = secrets.randbelow(_SEEDS) if seed is None else seed
    with interruptible(), ExitStack() as stack:
        opened = _system(profile, manifests, choices, output, yes=yes)
        if opened is None:
            output.note("nothing is broken")
            return 1
        target = stack.enter_context(opened)
        plan = make_plan(vocabulary.chosen(target.offers(), choices), seed, duration_s)
        many = units.plural(len(plan), "fault")
        title = f"sumflow chaos, {_name(target)}, seed {seed}: {many} in {units.duration(duration_s)}"
        _say_plan(title, target, output)
        result = run(target, plan, duration_s, Timeline(output), rate=rate, settle_s=target.settle_s)
        for line in lines(result.verdict):
            output.line(line)
        output.document(document(result, seed, target))
    if plot:
        _draw(plot, result, title)
    return 0 if result.verdict.exact else 1


def _system(
    profile: str | None, manifests: Path | None, choices: Sequence[Choice], output: Output, *, yes: bool
) -> AbstractContextManager[Target] | None:
    """Return the system that is meant: the one on the cluster, None if it must not be broken, or one of its own."""
    place = clusters.place()
    if not place.kubernetes:
        return _own_system(profile or _PROFILE, manifests, choices, output)
    if profile or manifests:
        raise UsageError(
            "--profile and --manifests are for a system on this machine",
            remedy="leave them out: on a cluster the deployed system is broken, whatever its profile is",
        )
    return remote.breakable(place, yes=yes)


@contextmanager
def _own_system(profile: str, manifests: Path | None, choices: Sequence[Choice], output: Output) -> Iterator[Target]:
    from sumflow.chaos.faults import Kind
    from sumflow.chaos.on_machine import own_system

    on_disk = bool(choices) and not any(choice.kind is Kind.DISK for choice in choices)
    with ExitStack() as stack:
        with staging.reporter(output) as steps:
            target = stack.enter_context(own_system(profile, manifests, steps, on_disk=on_disk))
        yield target


class Timeline:
    """Writes what happens, with the seconds since the load began.

    Args:
        output: where lines go.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._reminded_at_s = 0.0

    def began(self, happened: Happened) -> None:
        """Write what is broken."""
        fault = happened.fault
        lasts = f"for {units.duration(fault.lasts_s)}" if fault.lasts_s else ""
        self._say(happened.began_s, fault, f"not done: {happened.not_done}" if happened.not_done else lasts)

    def ended(self, happened: Happened) -> None:
        """Write that it is whole again."""
        self._say(happened.ended_s or 0.0, happened.fault, "taken back")

    def recovered(self, happened: Happened) -> None:
        """Write how long it took until additions were accepted and counted again."""
        self._say(
            (happened.ended_s or 0.0) + _recovery_s(happened), happened.fault, f"recovered: {_recovery(happened)}"
        )

    def settling(self, reason: str, elapsed_s: float) -> None:
        """Write why it waits, every few seconds."""
        if elapsed_s - self._reminded_at_s >= _REMIND_EVERY_S:
            self._reminded_at_s = elapsed_s
            self._output.line(f"settling for {units.duration(elapsed_s)}: {reason}")

    def _say(self, at_s: float, fault: Fault, what: str) -> None:
        self._output.line(f"[{at_s:7.2f} s] {fault.number:3d} {fault.kind:8}{fault.target:24}{what}".rstrip())
        sys.stdout.flush()


def _name(target: Target) -> str:
    return f"profile {target.profile}{f' on {target.context}' if target.context else ''}"


def _say_plan(title: str, target: Target, output: Output) -> None:
    output.line(f"\n{title}")
    for why in dict.fromkeys(target.left_out().values()):
        kinds = ", ".join(kind for kind, reason in target.left_out().items() if reason == why)
        output.line(f"left out: {kinds}: {why}")
    sys.stdout.flush()


def _recovery_s(happened: Happened) -> float:
    return max(happened.accepted_after_s or 0.0, happened.counted_after_s or 0.0)


def _recovery(happened: Happened) -> str:
    accepted, counted = happened.accepted_after_s, happened.counted_after_s
    told = (f"accepted after {units.duration(accepted or 0.0)}", f"counted after {units.duration(counted or 0.0)}")
    return ", ".join(told)


def lines(verdict: Verdict) -> Iterator[str]:
    """Draw a verdict for a person."""
    yield ""
    so_far = ", as far as could be seen" if verdict.counted is None else ""
    rows = [
        ("acknowledged", f"{verdict.acknowledged:,}"),
        ("unanswered", f"{verdict.uncertain:,}, of which {_known(verdict.uncertain_counted)} count, rightly"),
        ("counted", _known(verdict.counted)),
        ("lost", f"{verdict.lost:,}{so_far}"),
        ("doubled", f"{verdict.doubled:,}{so_far}"),
        ("longest unavailability", units.duration(verdict.longest_unavailability_s)),
    ]
    if verdict.others:
        rows.append(("added by others", f"{verdict.others:,}"))
    yield from units.table(rows)
    yield from verdict.problems
    yield "exact" if verdict.exact else "NOT EXACT"


def _known(number: int | None) -> str:
    return "an unknown number" if number is None else f"{number:,}"


def document(result: Result, seed: int, target: Target) -> dict[str, Any]:
    """Write a run for a program; times are seconds, moments count from the beginning of the load."""
    verdict = result.verdict
    return {
        "profile": target.profile,
        "context": target.context,
        "seed": seed,
        "left_out": {str(kind): why for kind, why in target.left_out().items()},
        "faults": [_fault(happened) for happened in result.evidence.happened],
        "verdict": {"exact": verdict.exact, **asdict(verdict)},
    }


def _fault(happened: Happened) -> dict[str, Any]:
    seen = asdict(happened)
    fault = seen.pop("fault")
    return {"kind": fault["kind"], "target": fault["target"], "lasts_s": fault["lasts_s"], **seen}


def _draw(plot: Path, result: Result, title: str) -> None:
    from sumflow.chaos.picture import draw

    try:
        plot.write_text(draw(result.evidence, title), encoding="utf-8")
    except OSError as error:
        raise SumflowError(f"{plot} cannot be written: {error.strerror}", remedy="choose another file") from error

"""A system of a run's own on this machine, made to be broken: in a temporary directory, with ports of its own.

Clients and services reach each other through the run's proxies, the audit reads the databases directly. Nothing of it
is left at the end, and no other system is touched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sumflow import steps
from sumflow.audit import facts
from sumflow.chaos import disk
from sumflow.chaos.disk import SmallDisk
from sumflow.chaos.faults import Fault, Kind, Offers
from sumflow.chaos.lines import CLIENTS_LINE, LINE_FAULTS, Lines, Route
from sumflow.chaos.run import SETTLE_S
from sumflow.chaos.target import NotNowError, Undo, nothing_to_undo
from sumflow.client.endpoints import Endpoints
from sumflow.errors import NotRunningError
from sumflow.local import facade, ports, preflight, signals
from sumflow.local.options import UpOptions
from sumflow.settings import Address
from sumflow.topology.model import Topology
from sumflow.verify import on_machine

DISK: Final = "all"


@dataclass(frozen=True, slots=True)
class OwnSystem:
    """The system.

    Args:
        data_dir: its directory.
        looked_at: the checks' view of it.
        lines: the proxies.
        small_disk: what it lives on; None where none could be mounted, and `no_disk` says why.
    """

    data_dir: Path
    looked_at: on_machine.MachineTarget
    lines: Lines
    small_disk: SmallDisk | None
    no_disk: str
    context: None = None
    settle_s: float = SETTLE_S

    @property
    def profile(self) -> str:
        """The profile that was brought up."""
        return self.looked_at.topology.profile

    def offers(self) -> Offers:
        """Every process may be hit, every line, and the disk where it is a small one of its own."""
        names = tuple(each.name for each in facade.status_of(self.data_dir).components)
        found: dict[Kind, tuple[str, ...]] = {Kind.KILL: names, Kind.FREEZE: names, Kind.RESTART: names}
        found |= dict.fromkeys(LINE_FAULTS, self.lines.names)
        return found | ({Kind.DISK: (DISK,)} if self.small_disk else {})

    def left_out(self) -> Mapping[Kind, str]:
        """The disk, where no small one could be mounted."""
        return {} if self.small_disk else {Kind.DISK: self.no_disk}

    def begin(self, fault: Fault) -> Undo:
        """Do a fault."""
        if fault.kind in LINE_FAULTS:
            return self.lines.begin(fault)
        if fault.kind is Kind.DISK and self.small_disk:
            self.small_disk.fill()
            return self.small_disk.free
        return self._signal(fault)

    def endpoints(self) -> Endpoints:
        """The adder through its line, the totalizer directly."""
        return replace(self.looked_at.endpoints(), adder=self.lines.address(CLIENTS_LINE))

    def books(self) -> facts.Opened:
        """Open the books directly."""
        return self.looked_at.books()

    def problem(self) -> str:
        """Name the first component that is not healthy."""
        seen = facade.status_of(self.data_dir)
        unwell = [f"{each.name}: {each.problem}" for each in seen.components if not each.healthy]
        return unwell[0] if unwell else "" if seen.healthy else f"the system is {seen.phase}"

    def _signal(self, fault: Fault) -> Undo:
        try:
            if fault.kind is Kind.FREEZE:
                return signals.freeze(self.data_dir, fault.target)
            act = signals.kill if fault.kind is Kind.KILL else signals.restart
            act(self.data_dir, fault.target)
        except NotRunningError as error:
            raise NotNowError(error.what) from error
        return nothing_to_undo


@contextmanager
def own_system(profile: str, manifests: Path | None, reporter: steps.Reporter, *, on_disk: bool) -> Iterator[OwnSystem]:
    """Bring a system of one's own up, and remove it without a trace at the end, whatever happened.

    Args:
        profile: which profile of the manifests.
        manifests: a directory `k8s` other than the installed one.
        reporter: hears the steps of the bring-up.
        on_disk: keep it in the temporary directory itself; else on a small file system, where one may be mounted.
    """
    with ExitStack() as stack:
        directory = tempfile.TemporaryDirectory(prefix="sumflow-chaos-", ignore_cleanup_errors=True)
        home = Path(stack.enter_context(directory))
        no_disk = "it was not asked for" if on_disk else disk.impossible(home)
        small_disk = None if no_disk else stack.enter_context(disk.mounted(home))
        options = UpOptions.of(profile, data_dir=home, manifests=manifests)
        topology = options.topology()
        base, routes = _routes(topology)
        lines = stack.enter_context(Lines({name: route for name, route, _ in routes}))
        detours = {key: lines.address(name).port for name, _, key in routes if name != CLIENTS_LINE}
        options = UpOptions.of(profile, data_dir=home, port_base=base, manifests=manifests, detours=detours)
        stack.enter_context(facade.temporary(options, reporter))
        yield OwnSystem(home, on_machine.target(home, manifests), lines, small_disk, no_disk)


def _routes(topology: Topology) -> tuple[int, list[tuple[str, Route, str]]]:
    """Choose the block of ports; return its first, and the proxies: the component behind, the way, the detour's key."""
    keys = _interposed(topology)
    needed = ports.count(topology)
    base = preflight.free_block(needed + len(keys))
    own = ports.assign(topology, base)
    return base, [
        (name, Route(Address("127.0.0.1", base + needed + i), Address("127.0.0.1", own[key])), key)
        for i, (name, key) in enumerate(keys.items())
    ]


def _interposed(topology: Topology) -> dict[str, str]:
    """Name the components with a proxy in front, and the port that is behind it: the adder, databases and brokers."""
    listener = topology.kafka.listeners[0].name
    found = {f"{database.name}-0": f"{database.name}-0/postgres" for database in topology.databases}
    found |= {f"kafka-{i}": f"kafka-{i}/{listener}" for i in range(topology.kafka.brokers)}
    return {CLIENTS_LINE: "adder-0/grpc"} | found

"""One life of the system in this process: from the lock, over the bring-up, to the last process's end."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from sumflow import steps
from sumflow.errors import SumflowError
from sumflow.interruption import Interrupted, interruptible
from sumflow.local import bringup, credentials, discovery, orphans, plan, ports, postgres, preflight, state
from sumflow.local.datadir import FORMAT, DataDir, Mark, clear_disk_errors
from sumflow.local.lifecycle import Life, Phase
from sumflow.local.options import UpOptions
from sumflow.local.process import Identity
from sumflow.local.state import ComponentState, SystemPhase, SystemState
from sumflow.local.supervisor import Supervisor
from sumflow.settings import CommandSettings, load
from sumflow.topology.model import Secret, Topology

Tell = Callable[[str, str], None]
"""Hears what is stopped: a stage of stopping, and the components."""


def run(home: DataDir, options: UpOptions, reporter: steps.Reporter, when_up: Callable[[], None]) -> None:
    """Bring the system up, keep it up until this process is asked to end, stop it; the caller holds the lock.

    Raises:
        SumflowError: it could not be brought up; everything that was started has been stopped again.
    """
    with interruptible() as undisturbed:
        session: Session | None = None
        try:
            session = _prepare(home, options, reporter)
            session.bring_up(reporter)
            when_up()
            threading.Event().wait()
        except Interrupted:
            undisturbed()
            if session:
                session.end(SystemPhase.STOPPED)
        except BaseException:
            undisturbed()
            if session:
                session.end(SystemPhase.FAILED)
            raise


@dataclass(slots=True)
class Session:
    """The system as this process runs it, and its record in the state file."""

    home: DataDir
    record: SystemState
    components: tuple[plan.Component, ...]
    topology_steps: Callable[[Supervisor], list[steps.Step]]
    supervisor: Supervisor = field(init=False)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.components, self._remember)

    def bring_up(self, reporter: steps.Reporter) -> None:
        """Carry the steps out."""
        self._enter(SystemPhase.STARTING)
        with clear_disk_errors(self.home.path):
            steps.run(self.topology_steps(self.supervisor), reporter, pause=self.supervisor.wait_for_change)
        self._enter(SystemPhase.UP)

    def end(self, phase: SystemPhase) -> None:
        """Stop everything, in reverse order, and write down how it ended."""
        self._enter(SystemPhase.STOPPING)
        log = logging.getLogger("sumflow.supervisor")
        self.supervisor.stop_all(reversed(plan.STAGES), lambda names: log.info("stopping %s", names))
        self.supervisor.close()
        self._enter(phase)

    def _enter(self, phase: SystemPhase) -> None:
        with self._writing:
            self.record = msgspec.structs.replace(self.record, phase=phase)
            state.write(self.home, self.record)

    def _remember(self, lives: Mapping[str, Life], identities: Mapping[str, Identity]) -> None:
        known = tuple(_component_state(c, lives[c.name], identities.get(c.name)) for c in self.components)
        with self._writing:
            self.record = msgspec.structs.replace(self.record, components=known)
            try:
                state.write(self.home, self.record)
            except OSError as error:
                logging.getLogger("sumflow.supervisor").warning("the state could not be written: %s", error)


def _prepare(home: DataDir, options: UpOptions, reporter: steps.Reporter) -> Session:
    """Do everything that can be refused before anything is started."""
    topology = options.topology()
    known = home.mark()
    base = options.port_base if options.port_base is not None or known is None else known.port_base
    mark = home.prepare(
        Mark(format=FORMAT, profile=options.profile, cluster_id=bringup.new_cluster_id(), port_base=base)
    )
    log_to(home)
    _stop_leftovers(home)
    home.clear_run_files()
    preflight.require_free(ports.assign(topology, mark.port_base))
    lost = credentials.lost(home.secrets, topology.secrets)
    machine, components = planned(topology, home, options, mark, reporter)
    _renew_passwords(topology, machine, lost)
    layout = plan.kafka_layout(topology, machine)
    names = discovery.table(topology, machine.ports, layout.bootstrap)
    record = SystemState(
        profile=options.profile,
        phase=SystemPhase.STARTING,
        supervisor=Identity.of(os.getpid()),
        started_at=time.time(),
        discovery={str(address): local for address, local in names.items()},
        components=tuple(_component_state(component, Life(), None) for component in components),
    )
    return Session(
        home, record, components, lambda supervisor: bringup.Bringup(topology, machine, components, supervisor).recipe()
    )


def _renew_passwords(topology: Topology, machine: plan.Machine, lost: list[Secret]) -> None:
    """Let databases have the passwords that were generated anew: the former ones are nowhere else."""
    for database in topology.databases:
        if database.secret in lost:
            postgres.renew_password(plan.server(database, machine))


def planned(
    topology: Topology, home: DataDir, options: UpOptions, mark: Mark, reporter: steps.Reporter
) -> tuple[plan.Machine, tuple[plan.Component, ...]]:
    """Return what this machine gives a declared system, and its processes; the programs are there afterwards."""
    programs = bringup.Programs(load(CommandSettings), topology.kafka, options.cache_dir, reporter)
    with clear_disk_errors(options.cache_dir, "SUMFLOW_CACHE_DIR"):
        steps.run([programs.step()], reporter)
    assert programs.jvm is not None  # noqa: S101 -- the step has just been carried out
    its_ports = ports.assign(topology, mark.port_base)
    secrets = credentials.ensure(home.secrets, topology.secrets)
    machine = plan.Machine(home, its_ports, secrets, programs.jvm, mark.cluster_id, sys.executable, options.detours)
    return machine, plan.components(topology, machine)


def _component_state(component: plan.Component, life: Life, identity: Identity | None) -> ComponentState:
    return ComponentState(
        name=component.name,
        what=component.what,
        stage=component.stage,
        phase=life.phase.value,
        addresses=component.addresses,
        readiness=component.readiness,
        log=str(component.command.log),
        process=identity,
        restarts=life.restarts,
        problem="" if life.phase is Phase.READY else life.problem,
        last_exit=life.last_exit,
        stop_signal=component.command.stop_signal,
        keeps=str(component.keeps or ""),
    )


def _stop_leftovers(home: DataDir) -> None:
    """Stop what a killed supervisor left running; its record may be damaged, the processes' marks are not."""
    log = logging.getLogger("sumflow.supervisor")
    try:
        left = state.read(home)
    except SumflowError as error:
        log.warning("%s", error)
        left = None
    orphans.stop_all(home, left, lambda names: log.info("stopping what was left running: %s", names))


def log_to(home: DataDir) -> None:
    """Write the supervisor's own events into the data directory, in two files of bounded size."""
    handler = logging.handlers.RotatingFileHandler(home.log("supervisor"), maxBytes=1 << 20, backupCount=1)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("sumflow.supervisor")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False

"""Brings the declared system up on a cluster: preflight, then the specification's stages, each awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

from sumflow import topology
from sumflow.cluster import deployed, facts, fetch, install, observe, preflight, restore, rotation, settle, stages
from sumflow.cluster.apply import Applied, Applier
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.preflight import Finding
from sumflow.cluster.stages import Stage
from sumflow.errors import SumflowError
from sumflow.steps import NotYet, Readiness, Reporter, Step, run_side_by_side
from sumflow.topology.model import Topology

DEFAULT_PROFILE: Final = "spec"
PARALLEL: Final = 8
"""So many objects are applied at once."""

_LATE: Final = "the same command goes on where it stopped; `sumflow status --on kubernetes` shows how each part is"


class DeployReporter(Reporter, Protocol):
    """Hears what a deployment does."""

    def applied(self, stage: str, change: Applied) -> None:
        """Hear what became of one object."""

    def found(self, finding: Finding) -> None:
        """Hear what preflight found and does not stop at."""


class PreflightError(SumflowError):
    """Something would have stopped the deployment half way; nothing was created."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to deploy, and how.

    Args:
        profile: the profile's name.
        manifests: the directory `k8s`; None for the installed one.
        cache: the directory of downloads.
        strimzi_manifest: Strimzi's install files, if they are not to be fetched.
        image: the reference of SumFlow's image, if it is not the declared one.
        timeout_s: the longest that any stage may take; None for each stage's own limit.
        force_conflicts: take fields over that others manage.
    """

    profile: str
    cache: Path
    manifests: Path | None = None
    strimzi_manifest: Path | None = None
    image: str | None = None
    timeout_s: float | None = None
    force_conflicts: bool = False


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that a deployment is made of, ready to be carried out on one cluster."""

    cluster: Cluster
    options: Options
    topology: Topology
    rendered: tuple[Object, ...]
    operator: tuple[Object, ...]
    plan: tuple[Stage, ...]

    def applier(self, *, dry_run: bool = False) -> Applier:
        """Return what applies this deployment's objects."""
        scaled = settle.scaled_by_others(self.rendered)
        notes = {deployed.RELEASE: {deployed.PROFILE_NOTE: self.options.profile}}
        return Applier(self.cluster, scaled, self.options.force_conflicts, dry_run, notes)


def prepare(cluster: Cluster, options: Options) -> Deployment:
    """Read the manifests, bring Strimzi's install files, and divide all into stages; changes nothing.

    Raises:
        ManifestError: a manifest cannot be honoured.
        SumflowError: the install files could not be had, or are not the pinned ones.
    """
    declared = topology.load(options.profile, options.manifests)
    rendered = settle.with_image(topology.render(options.profile, options.manifests), options.image)
    contents = fetch.files(declared.strimzi, options.cache, options.strimzi_manifest)
    operator = tuple(install.prepared(install.parse(contents), declared.strimzi, cluster.version()))
    return Deployment(cluster, options, declared, rendered, operator, stages.plan(rendered, operator))


def examine(deployment: Deployment) -> tuple[Finding, ...]:
    """Return all that preflight finds, what would stop the deployment and what would not; changes nothing."""
    image = deployment.options.image
    wanted = facts.asked(deployment.topology, deployment.rendered, deployment.operator, image)
    seen = facts.gather(deployment.cluster, [*deployment.rendered, *deployment.operator], wanted)
    return preflight.findings(seen, wanted)


def check(deployment: Deployment) -> tuple[Finding, ...]:
    """Return what preflight found that need not stop the deployment; changes nothing.

    Raises:
        PreflightError: something would stop it; names everything that was found.
    """
    found = examine(deployment)
    fatal = [each for each in found if each.fatal]
    if not fatal:
        return found
    if len(fatal) == 1:
        raise PreflightError(fatal[0].what, why=fatal[0].why, remedy=fatal[0].remedy)
    raise PreflightError(
        f"{len(fatal)} things stand in the way; nothing was created",
        why="\n".join(f"{n}. {each.what}\n{each.why}\n-> {each.remedy}" for n, each in enumerate(fatal, start=1)),
        remedy="do what each line says, then run the same command again",
    )


def deploy(deployment: Deployment, reporter: DeployReporter) -> None:
    """Carry the stages out; each object is created, configured, or left unchanged.

    Raises:
        StepError: a stage was not ready in time, or cannot become ready.
        ConflictError: somebody else manages a declared field.
    """
    for finding in check(deployment):
        reporter.found(finding)
    watch, applier = observe.Watch(deployment.cluster), deployment.applier()
    run_side_by_side([_step(stage, deployment, applier, watch, reporter) for stage in deployment.plan], reporter)


def preview(deployment: Deployment) -> Sequence[tuple[str, Applied]]:
    """Return what a deployment would do to each object, by stage; changes nothing."""
    applier = deployment.applier(dry_run=True)
    return [(stage.name, change) for stage in deployment.plan for change in _applied(stage, applier)]


def _step(
    stage: Stage, deployment: Deployment, applier: Applier, watch: observe.Watch, reporter: DeployReporter
) -> Step:
    timeout_s = min(stage.within_s, deployment.options.timeout_s or stage.within_s)
    return Step(
        name=stage.name,
        act=_act(stage, applier, watch, reporter),
        ready=_ready(stage, applier, watch),
        within_s=timeout_s,
        after=stage.after,
        when_late=_LATE,
    )


def _act(stage: Stage, applier: Applier, watch: observe.Watch, reporter: DeployReporter) -> Callable[[], None]:
    def act() -> None:
        watch.begin(Ref.of(each) for each in stage.objects)
        configured = set()
        for change in _applied(stage, applier):
            if change.answer == "configured":
                watch.forgive(change.ref)
                configured.add(change.ref)
            reporter.applied(stage.name, change)
        for ref in rotation.readers(stage.objects, configured):
            rotation.restart(applier.cluster, ref)

    return act


def _applied(stage: Stage, applier: Applier) -> Iterator[Applied]:
    """Apply a stage's objects: those of one kind side by side, the next kind only after them."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        for _, alike in groupby(stage.objects, key=lambda each: each["kind"]):
            yield from pool.map(lambda each: restore.apply(applier, each), list(alike))


def _ready(stage: Stage, applier: Applier, watch: observe.Watch) -> Callable[[], Readiness]:
    refs = tuple(Ref.of(each) for each in stage.objects)

    def ready() -> Readiness:
        seen = watch.ready(refs)
        if isinstance(seen, NotYet):
            _unblock(stage, applier)
        return seen

    return ready


def _unblock(stage: Stage, applier: Applier) -> None:
    """Do what waiting alone would not bring about."""
    for declared in stage.objects:
        ref = Ref.of(declared)
        if ref.kind == "Namespace" and applier.cluster.get(ref) is None:
            # The namespace of before was still on its way out when this run began.
            applier.apply(declared)
        for pod in observe.stuck(applier.cluster, ref):
            applier.cluster.delete(pod)

"""What would stop a deployment, decided before anything is created, from what was asked of the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sumflow.cluster.demand import Permission, PodRoom
from sumflow.cluster.install import DEPLOYMENT
from sumflow.cluster.versions import Version
from sumflow.topology.model import StrimziRelease

LISTED_IMAGES: Final = 50
"""A node's status lists so many images at most (kubelet's nodeStatusMaxImages); a full list proves nothing absent."""

_MARK_DEFAULT: Final = (
    "mark one as the default: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true"
)

_GIVE_IMAGE: Final = (
    "load it into every node or push it to a registry (docs/images.md), then name it with `--image REF`"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that stands in the way (`fatal`) or should be known.

    Args:
        what: what was found, one sentence.
        why: the details, line by line.
        remedy: what to do.
    """

    what: str
    why: str = ""
    remedy: str = ""
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """A node that takes pods: what is free for ours (millicores, bytes), and the images it has."""

    name: str
    cpu_m: int
    memory: int
    images: frozenset[str]
    image_count: int


@dataclass(frozen=True, slots=True)
class OperatorSeen:
    """A Strimzi operator in the cluster; `watches` is empty for all namespaces."""

    namespace: str
    name: str
    version: str
    watches: frozenset[str]


@dataclass(frozen=True, slots=True)
class QuotaSeen:
    """What a ResourceQuota allows all pods of a namespace to request; None is no limit. CPU in millicores."""

    namespace: str
    name: str
    pods: int | None
    cpu_m: int | None
    memory: int | None


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """What a registry says of an image: it has it, it has it not, or (None) that cannot be known; `told` says why."""

    there: bool | None
    told: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was asked of the cluster; None is what we were not allowed to see.

    Args:
        server: the API server's version.
        storage_classes: their names; the default one is also there under the empty name.
        nodes: the nodes that take pods.
        denied: the permissions that we lack.
        operators: the Strimzi operators that run.
        definitions: Strimzi's definitions that are installed: name to the versions that they serve.
        quotas: what our namespaces are allowed, as far as we may see that.
        registries: what registries say of our own images, as far as nodes lack them.
        profile: the one that is deployed, as far as that was noted.
    """

    server: Version
    storage_classes: frozenset[str] | None = frozenset()
    nodes: tuple[NodeRoom, ...] | None = ()
    denied: tuple[Permission, ...] = ()
    operators: tuple[OperatorSeen, ...] | None = ()
    definitions: Mapping[str, frozenset[str]] | None = None
    quotas: tuple[QuotaSeen, ...] = ()
    registries: Mapping[str, ImageAnswer] = field(default_factory=dict)
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What the declared system asks for.

    Args:
        pods: their requests, the largest first.
        storage_classes: each with who names it; the empty name is the default one.
        own_images: the references of SumFlow's own image.
        definitions: the definitions that the install files bring: name to the versions that they serve.
        profile: its name.
    """

    release: StrimziRelease
    pods: tuple[PodRoom, ...]
    storage_classes: Mapping[str, tuple[str, ...]]
    own_images: frozenset[str]
    definitions: Mapping[str, frozenset[str]]
    profile: str


def findings(facts: Facts, demand: Demand) -> tuple[Finding, ...]:
    """Return everything that stands in the way, and then what should be known."""
    checks = (_version, _permissions, _profile, _operators, _definitions, _storage, _room, _quotas, _images)
    found = [finding for check in checks for finding in check(facts, demand)]
    return tuple(sorted(found, key=lambda each: not each.fatal))


def _version(facts: Facts, demand: Demand) -> Iterator[Finding]:
    minimum = demand.release.kubernetes_minimum
    if minimum and facts.server < Version.parse(minimum):
        yield Finding(
            f"Kubernetes {facts.server} is too old: Strimzi {demand.release.version} needs {minimum} or newer",
            remedy="upgrade the cluster, or choose the profile whose operator supports it (`spec` supports 1.25)",
        )


def _permissions(facts: Facts, demand: Demand) -> Iterator[Finding]:
    if facts.denied:
        yield missing(facts.denied)


def missing(denied: Sequence[Permission]) -> Finding:
    """Tell which permissions are missing, at least one."""
    return Finding(
        f"{len(denied)} permissions are missing",
        why="\n".join(f"cannot {each}" for each in denied),
        remedy="ask an administrator for the roles in k8s/rbac (docs/kubernetes.md, Least privilege)",
    )


def _profile(facts: Facts, demand: Demand) -> Iterator[Finding]:
    if facts.profile not in (None, demand.profile):
        yield Finding(
            f"the profile {facts.profile} is deployed, this is {demand.profile}",
            why="brokers, copies of topics and sizes of volumes differ; a running system cannot change all of it",
            remedy=f"`--profile {facts.profile}`; or docs/kubernetes.md, Changing the profile",
        )


def _operators(facts: Facts, demand: Demand) -> Iterator[Finding]:
    release = demand.release
    for seen in facts.operators or ():
        who = f"Strimzi {seen.version} ({seen.namespace}/{seen.name})"
        ours = (seen.namespace, seen.name) == (release.namespace, DEPLOYMENT)
        if ours and seen.version != release.version:
            yield Finding(
                f"{who} is installed, this profile pins {release.version}",
                why="another release of the operator would change the running Kafka cluster",
                remedy="deploy the profile that is installed, or follow docs/kubernetes.md, Changing the profile",
            )
        elif not ours and (not seen.watches or release.namespace in seen.watches):
            yield Finding(
                f"{who} already looks after the namespace {release.namespace}",
                why="two operators would work against each other on one Kafka cluster",
                remedy=f"limit it with STRIMZI_NAMESPACE to other namespaces, or remove it: kubectl delete deployment "
                f"{seen.name} -n {seen.namespace}",
            )


def _definitions(facts: Facts, demand: Demand) -> Iterator[Finding]:
    if facts.definitions is None:
        return
    differing = [
        f"{name}: serves {', '.join(sorted(facts.definitions[name]))}, pinned {', '.join(sorted(versions))}"
        for name, versions in sorted(demand.definitions.items())
        if name in facts.definitions and facts.definitions[name] != versions
    ]
    if differing:
        yield Finding(
            f"custom resource definitions of another Strimzi are installed, not those of {demand.release.version}",
            why="\n".join(differing),
            remedy="they belong to the whole cluster: see docs/kubernetes.md, Changing the profile",
        )


def _storage(facts: Facts, demand: Demand) -> Iterator[Finding]:
    if facts.storage_classes is None:
        yield Finding("storage classes could not be checked: listing them is not allowed", fatal=False)
        return
    have = ", ".join(sorted(facts.storage_classes - {""})) or "none"
    for name, wanted_by in sorted(demand.storage_classes.items()):
        if name in facts.storage_classes:
            continue
        what = f"there is no storage class `{name}`" if name else "there is no default storage class"
        remedy = "make it, or name one that is there in the manifests" if name else _MARK_DEFAULT
        yield Finding(
            what,
            why=f"asked for by {', '.join(wanted_by)}\nin this cluster: {have}",
            remedy=remedy,
        )


def _room(facts: Facts, demand: Demand) -> Iterator[Finding]:
    if facts.nodes is None:
        yield Finding("room for the pods could not be checked: listing nodes is not allowed", fatal=False)
        return
    homeless = _unplaced(facts.nodes, demand.pods)
    if not homeless:
        return
    asked = _room_text(sum(p.cpu_m for p in demand.pods), sum(p.memory for p in demand.pods))
    free = _room_text(sum(n.cpu_m for n in facts.nodes), sum(n.memory for n in facts.nodes))
    names = ", ".join(f"{each.name} ({_room_text(each.cpu_m, each.memory)})" for each in homeless)
    yield Finding(
        f"the cluster has no room for {len(homeless)} of {len(demand.pods)} pods",
        why=f"requested in all: {asked}; free on {len(facts.nodes)} nodes: {free}\nwithout a place: {names}",
        remedy="add a node, free some room, or deploy `--profile dev`, which asks for less",
    )


def _unplaced(nodes: Iterable[NodeRoom], wanted: Iterable[PodRoom]) -> list[PodRoom]:
    """Place the largest pods first, each where most memory is left; return those that found no place."""
    free = {node.name: (node.cpu_m, node.memory) for node in nodes}
    homeless = []
    for pod in wanted:
        fitting = [name for name, (cpu_m, memory) in free.items() if pod.cpu_m <= cpu_m and pod.memory <= memory]
        if not fitting:
            homeless.append(pod)
            continue
        chosen = max(fitting, key=lambda name: free[name][1])
        free[chosen] = (free[chosen][0] - pod.cpu_m, free[chosen][1] - pod.memory)
    return homeless


def _quotas(facts: Facts, demand: Demand) -> Iterator[Finding]:
    """Compare what a namespace is allowed with what is declared there; others in it are the waits' affair."""
    for quota in facts.quotas:
        ours = [pod for pod in demand.pods if pod.namespace == quota.namespace]
        asked = (len(ours), sum(pod.cpu_m for pod in ours), sum(pod.memory for pod in ours))
        allowed = (quota.pods, quota.cpu_m, quota.memory)
        if any(limit is not None and limit < wanted for limit, wanted in zip(allowed, asked, strict=True)):
            limits = (f"{quota.pods} pods", *_texts(quota.cpu_m or 0, quota.memory or 0))
            told = [text for limit, text in zip(allowed, limits, strict=True) if limit is not None]
            yield Finding(
                f"the quota {quota.name} of the namespace {quota.namespace} is too small for this profile",
                why=f"declared there: {asked[0]} pods, {_room_text(*asked[1:])}; allowed in all: {', '.join(told)}",
                remedy=f"raise it, or ask who governs it: kubectl edit resourcequota {quota.name} -n {quota.namespace}",
            )


def _texts(cpu_m: int, memory: int) -> tuple[str, str]:
    return f"{cpu_m / 1000:g} CPU", f"{memory / 2**30:.1f} GiB"


def _room_text(cpu_m: int, memory: int) -> str:
    return ", ".join(_texts(cpu_m, memory))


def _images(facts: Facts, demand: Demand) -> Iterator[Finding]:
    for reference in sorted(demand.own_images):
        without = nodes_without(reference, facts.nodes or ())
        if without and not is_pulled(reference):
            yield Finding(
                f"the image {reference} is on no registry and not on {len(without)} of {len(facts.nodes or ())} nodes",
                why=f"missing on {', '.join(without)}",
                remedy=_GIVE_IMAGE,
            )
        elif without or facts.nodes is None:
            yield from _registry(reference, facts.registries.get(reference))


def _registry(reference: str, answer: ImageAnswer | None) -> Iterator[Finding]:
    """Judge a registry's answer; the nodes' own view of the registry decides where it proves nothing."""
    if answer is None or answer.there:
        return
    if answer.there is False:
        yield Finding(f"the image {reference} is not in its registry", why=answer.told, remedy=_GIVE_IMAGE)
        return
    yield Finding(
        f"whether the nodes can pull {reference} cannot be known from here: {answer.told}",
        remedy="if they cannot, the stage of the services ends with the kubelet's words",
        fatal=False,
    )


def is_pulled(reference: str) -> bool:
    """Tell whether nodes get the image from a registry: without one in its name it has to be loaded into them."""
    return "/" in reference and not reference.startswith("localhost/")


def nodes_without(reference: str, nodes: Iterable[NodeRoom]) -> list[str]:
    """Return the nodes that lack an image, as far as their lists tell."""
    names = {reference, f"docker.io/library/{reference}", f"localhost/{reference}"}
    return [node.name for node in nodes if node.image_count < LISTED_IMAGES and not names & node.images]

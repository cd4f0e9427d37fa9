"""Reads Strimzi's custom resources: the Kafka cluster with its node pools, its topics, and the operator's release.

The fields are those of `kafka.strimzi.io/v1beta2` (with ZooKeeper) and `kafka.strimzi.io/v1` (KRaft, node pools).
"""

from __future__ import annotations

import re

from sumflow.errors import ManifestError
from sumflow.topology.declared import Declared
from sumflow.topology.model import KafkaCluster, Listener, Resources, StrimziRelease, Topic
from sumflow.topology.objects import Block, Object
from sumflow.topology.reading import Field
from sumflow.topology.workloads import resources

CLUSTER_LABEL = "strimzi.io/cluster"
RELEASE = "strimzi-release"

_DIGEST_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def cluster(declared: Declared) -> KafkaCluster:
    """Read the one Kafka of a profile; raise ManifestError if there is none, or two, or it lacks brokers."""
    found = one(declared, "Kafka")
    pools = [pool for pool in declared.of_kind("KafkaNodePool") if _belongs(pool, found)]
    spec = found.block("spec")
    kafka, zookeeper = spec.block("kafka"), spec.maybe("zookeeper")
    brokers, controllers = _pool_nodes(pools) if pools else (kafka.number("replicas", least=1), 0)
    _has_metadata(kafka, pools, zookeeper)
    return KafkaCluster(
        name=found.name,
        namespace=found.namespace,
        version=kafka.text("version"),
        brokers=brokers,
        controllers=controllers,
        zookeeper_nodes=zookeeper.number("replicas", 0),
        listeners=_listeners(kafka),
        config=config(kafka.maybe("config")),
        broker_resources=_broker_resources(kafka, pools),
        zookeeper_resources=resources(zookeeper.maybe("resources")),
        source=found.source,
    )


def topics(declared: Declared, kafka: KafkaCluster) -> tuple[Topic, ...]:
    """Read the topics; raise ManifestError for one that this cluster can never hold."""
    return tuple(_topic(found, declared, kafka) for found in declared.of_kind("KafkaTopic"))


def release(declared: Declared) -> StrimziRelease:
    """Read the operator's pins; raise ManifestError unless each install file has its digest."""
    found = next((each for each in declared.of_kind("ConfigMap") if each.name == RELEASE), None)
    if found is None:
        where = one(declared, "Kafka")
        raise where.refuse(f"no ConfigMap `{RELEASE}` says which operator realises this Kafka")
    data = found.block("data")
    commit = data.text("commit")
    if not _COMMIT.fullmatch(commit):
        raise data.need("commit").refuse("`commit` must be a full commit, 40 hexadecimal digits")
    return StrimziRelease(
        version=data.text("version"),
        commit=commit,
        namespace=found.namespace,
        files=_digests(data.need("install-files.sha256")),
        kubernetes_minimum=data.text("kubernetes-minimum"),
        kubernetes_version_override_from=data.text("kubernetes-version-override-from", ""),
    )


def one(declared: Declared, kind: str) -> Object:
    """Return the only object of a kind; raise ManifestError if there is none or a second."""
    found = list(declared.of_kind(kind))
    if not found:
        at = declared.objects[0].source
        raise ManifestError(f"this profile declares no {kind}", file=at.file, line=at.line)
    if len(found) > 1:
        first = found[0].source
        raise found[1].refuse(f"a second {kind}; a profile has one", why=f"the first is at {first.file}:{first.line}")
    return found[0]


def config(block: Block) -> dict[str, str]:
    """Read a Kafka configuration as Strimzi writes it to the properties file: every value as text."""
    return {key: _as_text(field) for key, field in block.items.items()}


def _as_text(field: Field) -> str:
    if isinstance(field.value, bool):
        return str(field.value).lower()
    if isinstance(field.value, str | int | float):
        return str(field.value)
    raise field.refuse("a Kafka setting is a text, a number, true or false")


def _belongs(found: Object, kafka: Object) -> bool:
    """Say that it is this cluster's; raise ManifestError otherwise, since the operator would ignore it for ever."""
    metadata = found.block("metadata")
    label = metadata.maybe("labels").get(CLUSTER_LABEL)
    if label is None:
        remedy = f"add the label `{CLUSTER_LABEL}: {kafka.name}`"
        raise metadata.refuse(f"{found.identity} has no label `{CLUSTER_LABEL}`, so no operator sees it", remedy=remedy)
    if label.value != kafka.name:
        raise label.refuse(f"there is no Kafka cluster `{label.value}`", remedy=f"the declared one is `{kafka.name}`")
    if found.namespace != kafka.namespace:
        raise metadata.refuse(f"{found.identity} must be in the cluster's namespace, {kafka.namespace}")
    return True


def _pool_nodes(pools: list[Object]) -> tuple[int, int]:
    """Count brokers, and controllers that are nothing else."""
    brokers = controllers = 0
    dual = {len(pool.block("spec").texts("roles")) for pool in pools}
    if len(dual) > 1:
        raise pools[-1].refuse(
            "either every broker is a controller too, or none is", why="pools that mix are not supported"
        )
    for pool in pools:
        spec = pool.block("spec")
        roles, replicas = spec.texts("roles"), spec.number("replicas", least=1)
        if not roles or not set(roles) <= {"broker", "controller"}:
            raise spec.refuse("`roles` must be of broker and controller")
        brokers += replicas if "broker" in roles else 0
        controllers += replicas if "broker" not in roles else 0
    if brokers == 0:
        raise pools[0].refuse("no node pool has brokers")
    return brokers, controllers


def _has_metadata(kafka: Block, pools: list[Object], zookeeper: Block) -> None:
    """Refuse a cluster whose metadata nobody would keep, or two would."""
    raft = any("controller" in pool.block("spec").texts("roles") for pool in pools)
    if raft == bool(zookeeper.items):
        raise kafka.refuse(
            "a cluster's metadata are kept either by ZooKeeper or by node pools with the role controller"
        )


def _listeners(kafka: Block) -> tuple[Listener, ...]:
    listeners = tuple(
        Listener(block.text("name"), block.number("port", least=1), block.flag("tls", default=False))
        for block in kafka.blocks("listeners")
    )
    if not listeners:
        raise kafka.refuse("`listeners` is empty, so nobody could reach this cluster")
    for block in kafka.blocks("listeners"):
        if block.text("type") != "internal":
            raise block.need("type").refuse("only internal listeners are supported")
        if block.flag("tls", default=False):
            raise block.need("tls").refuse("a listener with TLS is not supported yet")
    if len(listeners) > 1:
        raise kafka.listed("listeners")[1].refuse("one listener is supported, and this is a second")
    return listeners


def _broker_resources(kafka: Block, pools: list[Object]) -> Resources:
    for pool in pools:
        if "broker" in pool.block("spec").texts("roles"):
            return resources(pool.block("spec").maybe("resources"))
    return resources(kafka.maybe("resources"))


def _topic(found: Object, declared: Declared, kafka: KafkaCluster) -> Topic:
    _belongs(found, one(declared, "Kafka"))
    spec = found.block("spec")
    replicas = spec.number("replicas", least=1)
    if replicas > kafka.brokers:
        remedy = (
            f"lower it, or raise the brokers; {kafka.brokers} are declared at {kafka.source.file}:{kafka.source.line}"
        )
        raise spec.need("replicas").refuse(f"{replicas} replicas on {kafka.brokers} broker(s)", remedy=remedy)
    settings = spec.maybe("config")
    in_sync = settings.number("min.insync.replicas", 1, least=1)
    if in_sync > replicas:
        why = "every write would wait for ever"
        raise settings.need("min.insync.replicas").refuse(f"{in_sync} in-sync of {replicas} replica(s)", why=why)
    name = spec.text("topicName", found.name)
    partitions = spec.number("partitions", least=1)
    return Topic(name, found.namespace, partitions, replicas, config(settings), found.source)


def _digests(field: Field) -> dict[str, str]:
    files: dict[str, str] = {}
    for offset, line in enumerate(str(field.value).splitlines(), start=1):
        match = _DIGEST_LINE.fullmatch(line)
        if match is None or match.group(2) in files:
            raise ManifestError(
                "not a line of `sha256sum`, or a file named twice",
                file=field.source.file,
                line=field.source.line + offset,
            )
        files[match.group(2)] = match.group(1)
    if not files:
        raise field.refuse("no install file is pinned")
    return files

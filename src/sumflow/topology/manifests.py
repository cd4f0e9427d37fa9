"""Puts a profile's objects together into one Topology, and refuses what does not fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sumflow.topology import fields, kafka, references
from sumflow.topology.declared import Declared, secret
from sumflow.topology.model import Database, Secret, Service, Topology, Workload
from sumflow.topology.objects import Block, Object
from sumflow.topology.workloads import workload

_POSTGRES = re.compile(r"([\w.:-]+/)*postgres:16([.@-].*)?")
"""Whatever registry it is mirrored to: a cluster without a way to the internet has its own."""
POSTGRES_VARIABLES = ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")


def topology(profile: str, objects: Iterable[Object]) -> Topology:
    """Read all objects of a profile; raise ManifestError at the first thing that cannot be honoured."""
    declared = Declared(objects)
    ignored = fields.check(declared.objects)
    references.check(declared)
    cluster = kafka.cluster(declared)
    services = tuple(service(found) for found in declared.of_kind("Service"))
    return Topology(
        profile=profile,
        namespaces=tuple(found.name for found in declared.of_kind("Namespace")),
        strimzi=kafka.release(declared),
        kafka=cluster,
        topics=kafka.topics(declared, cluster),
        databases=tuple(_database(found, declared, services) for found in declared.of_kind("StatefulSet")),
        services=tuple(workload(found, declared) for found in declared.of_kind("Deployment")),
        secrets=tuple(secret(found) for found in declared.of_kind("Secret")),
        discovery=services,
        ignored=ignored,
    )


def service(found: Object) -> Service:
    """Read a Service: its ports, each with the container port that it leads to."""
    spec = found.block("spec")
    ports = {block.number("port", least=1): _target(block) for block in spec.blocks("ports")}
    if not ports:
        raise spec.refuse("`ports` is empty")
    return Service(found.name, found.namespace, spec.mapping("selector"), ports)


def _target(block: Block) -> int | str:
    target = block.get("targetPort")
    if target is None:
        return block.number("port", least=1)
    return target.value if isinstance(target.value, str) else block.number("targetPort", least=1)


def _database(found: Object, declared: Declared, services: tuple[Service, ...]) -> Database:
    read = workload(found, declared)
    _must_be_postgres(found, read)
    return Database(read, _credentials(found, read, declared), _service_of(found, read, services))


def _must_be_postgres(found: Object, read: Workload) -> None:
    """Refuse what would be a database on Kubernetes only."""
    if read.replicas != 1 or len(read.containers) != 1:
        raise found.refuse(f"{found.identity} must be one pod with one container", why="a second would hold other data")
    (container,) = found.block("spec").block("template").block("spec").blocks("containers")
    if not _POSTGRES.fullmatch(container.text("image")):
        why = "a StatefulSet is a database here, and 16 is the version that SumFlow runs and is tested with"
        raise container.need("image").refuse(f"`{container.text('image')}` is not PostgreSQL 16", why=why)
    for variable in container.blocks("env"):
        if variable.text("name") != "PGDATA":
            what = f"`{variable.text('name')}` is not supported for a database"
            raise variable.refuse(what, why="one machine places the data itself, and knows no other variable")


def _credentials(found: Object, read: Workload, declared: Declared) -> Secret:
    """Return the Secret that the database's user, password and name come from."""
    held = read.containers[0].from_secrets
    missing = [key for key in POSTGRES_VARIABLES if key not in held]
    if missing:
        raise found.refuse(f"{found.identity} takes no {', '.join(missing)} from a Secret")
    names = {held[key].secret for key in POSTGRES_VARIABLES}
    if len(names) > 1:
        raise found.refuse(f"{found.identity} takes its credentials from several Secrets: {', '.join(sorted(names))}")
    secrets = {each.name: each for each in declared.of_kind("Secret") if each.namespace == found.namespace}
    return secret(secrets[names.pop()])


def _service_of(found: Object, read: Workload, services: tuple[Service, ...]) -> Service:
    name = found.block("spec").text("serviceName")
    for each in services:
        if each.name == name and each.namespace == found.namespace and each.selector.items() <= read.labels.items():
            return each
    raise found.block("spec").need("serviceName").refuse(f"no Service `{name}` leads to {found.identity}")

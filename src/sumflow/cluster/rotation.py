"""Gives every database another password: database first, then the Secret, then the pods that log in with it.

Connections that are open stay open; whoever logs in anew between the first and the last of these is refused, tries
again, and is let in when its pod has been replaced. Pods are replaced one by one, each only when the next is ready, so
that sums go on being accepted; what is not accepted is told to the caller, and nothing accepted is lost.

Interrupted at any point, the same command mends it: it logs in from inside the database's own pod, which needs no
password.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from sumflow.cluster import deployed, inside, passwords
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.observe import Watch
from sumflow.cluster.streams import Pod
from sumflow.database.queries import queries
from sumflow.errors import SumflowError
from sumflow.steps import Reporter, Step, run
from sumflow.topology.model import Database, Topology

MANAGER: Final = "sumflow-rotate"
"""A field manager of its own: the next deployment must neither take the restart back nor see a difference in it."""
RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"
WITHIN_S: Final = 300.0
_LATE: Final = "`sumflow status --on kubernetes` shows what holds the pods back; then the same command again"


def rotate(
    cluster: Cluster, topology: Topology, reporter: Reporter, *, make: Callable[[], str] = passwords.generate
) -> tuple[Ref, ...]:
    """Give every database another password and let the services follow; return the Secrets that changed.

    Raises:
        SumflowError: a database could not be reached; nothing was changed for it.
        StepError: the services did not follow in time.
    """
    changed = tuple(_change(cluster, each, make()) for each in topology.databases)
    names = {ref.name for ref in changed}
    following = [ref for ref in _workloads(topology) if names & environment_of(cluster.get(ref), "secretRef")]

    def act() -> None:
        for ref in following:
            restart(cluster, ref)

    watch = Watch(cluster)
    run([Step("services follow", act, lambda: watch.ready(following), WITHIN_S, when_late=_LATE)], reporter)
    return changed


def _change(cluster: Cluster, database: Database, password: str) -> Ref:
    ref = Ref("", "v1", "Secret", database.secret.namespace, database.secret.name)
    pod = Pod(database.workload.namespace, f"{database.name}-0", database.workload.containers[0].name)
    kept = deployed.secret(cluster, ref.namespace, ref.name)
    variables = {"role": database.user, "password": password}
    where = ["-U", database.user, "-d", database.database]
    sql = f"{queries('sumflow.cluster').set_password};"
    outcome = inside.psql(cluster, pod, where, kept["POSTGRES_PASSWORD"], sql, variables)
    if outcome.code:
        raise SumflowError(
            f"the password of {database.name} could not be changed",
            why=outcome.errors.strip(),
            remedy=f"see how it is: kubectl describe pod {pod.name} -n {pod.namespace}",
        )
    cluster.merge(ref, {"data": passwords.encoded({"POSTGRES_PASSWORD": password})})
    return ref


def _workloads(topology: Topology) -> Iterable[Ref]:
    return (Ref("apps", "v1", each.kind, each.namespace, each.name) for each in topology.services)


def environment_of(workload: Object | None, kind: str) -> set[str]:
    """Return the names of the objects that a workload takes its environment from, of `secretRef` or `configMapRef`."""
    if workload is None:
        return set()
    containers: list[dict[str, Any]] = workload["spec"]["template"]["spec"]["containers"]
    sources = [source for each in containers for source in each.get("envFrom") or ()]
    return {str(source[kind]["name"]) for source in sources if source.get(kind)}


def readers(declared: Iterable[Object], changed: Collection[Ref]) -> tuple[Ref, ...]:
    """Return the workloads whose settings are among what changed: a process reads its environment when it starts."""
    names = {ref.name for ref in changed if ref.kind == "ConfigMap"}
    workloads = [each for each in declared if Ref.of(each).group == "apps"]
    return tuple(Ref.of(each) for each in workloads if names & environment_of(each, "configMapRef"))


def restart(cluster: Cluster, workload: Ref) -> None:
    """Have a workload's pods replaced one by one, as `kubectl rollout restart` does."""
    stamp = {RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
    cluster.merge(workload, {"spec": {"template": {"metadata": {"annotations": stamp}}}}, manager=MANAGER)

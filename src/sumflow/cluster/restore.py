"""Takes a Kafka cluster up again on volumes that an earlier one left behind.

Under KRaft the volumes carry the id of the cluster that wrote them, and Strimzi gives a new Kafka resource a new id:
its brokers would refuse the volumes. So `destroy` notes the id, and the next deployment gives it back before the
operator begins, in the way that Strimzi documents: create the resource paused, set `status.clusterId`, end the pause.

The operator answers the pause by writing the whole status, from the resource as it had read it before: an id that is
set in between is overwritten. So its answer is awaited first.
"""

from __future__ import annotations

import copy
from typing import Final

from sumflow.cluster.apply import Applied, Applier
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import STRIMZI, Object, Ref, annotations_of, condition, status
from sumflow.steps import NotYet, Readiness, Ready, Silent, Step, run

CLUSTER_ID_NOTE: Final = "sumflow.io/kafka-cluster-id"
"""The annotation on Kafka's namespace that keeps the id of the cluster whose volumes are there."""
PAUSED: Final = "strimzi.io/pause-reconciliation"
PAUSE_SEEN: Final = "ReconciliationPaused"
"""The condition by which the operator says that it saw the pause."""
WITHIN_S: Final = 60.0
_LATE: Final = (
    "`kubectl logs deployment/strimzi-cluster-operator -n sumflow-kafka` says what it does; then the same command again"
)


def apply(applier: Applier, declared: Object) -> Applied:
    """Apply an object; a Kafka resource that is new over old volumes gets their cluster's id first.

    Raises:
        StepError: the operator does not answer the pause.
    """
    ref = Ref.of(declared)
    if (ref.group, ref.kind) != (STRIMZI, "Kafka") or "zookeeper" in declared["spec"]:
        # ZooKeeper keeps the id on volumes of its own.
        return applier.apply(declared)
    cluster_id = None if applier.dry_run else _wanted_id(applier.cluster, ref)
    if cluster_id is None:
        return applier.apply(declared)
    paused = copy.deepcopy(dict(declared))
    paused["metadata"].setdefault("annotations", {})[PAUSED] = "true"
    created = applier.apply(paused)
    seen = Step("the pause", lambda: None, lambda: _pause_seen(applier.cluster, ref), WITHIN_S, when_late=_LATE)
    run([seen], Silent())
    applier.cluster.merge(ref, {"status": {"clusterId": cluster_id}}, below="status")
    applier.apply(declared)
    return created


def _wanted_id(cluster: Cluster, ref: Ref) -> str | None:
    """Return the id that a Kafka resource must be given; None if it has one, or if no volumes are waiting for it."""
    live = cluster.get(ref)
    if live is not None and (annotations_of(live).get(PAUSED) != "true" or status(live).get("clusterId")):
        # Still paused and without an id is one whose deployment was interrupted in the middle of this.
        return None
    return annotations_of(cluster.get(Ref("", "v1", "Namespace", "", ref.namespace))).get(CLUSTER_ID_NOTE)


def _pause_seen(cluster: Cluster, ref: Ref) -> Readiness:
    if condition(cluster.get(ref), PAUSE_SEEN).get("status") == "True":
        return Ready()
    return NotYet(
        f"{ref} is paused, to be given the id of the volumes that are there; its operator has not said so yet"
    )

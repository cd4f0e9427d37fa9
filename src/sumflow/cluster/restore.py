"""Takes a Kafka cluster up again on volumes that an earlier one left behind.

Under KRaft the volumes carry the id of the cluster that wrote them, and Strimzi gives a new Kafka resource a new id:
its brokers would refuse the volumes. So `destroy` notes the id, and the next deployment gives it back before the
operator begins, in the way that Strimzi documents: create the resource paused, set `status.clusterId`, end the pause.
"""

from __future__ import annotations

import copy
from typing import Final

from sumflow.cluster.apply import Applied, Applier
from sumflow.cluster.objects import STRIMZI, Object, Ref, annotations_of

CLUSTER_ID_NOTE: Final = "sumflow.io/kafka-cluster-id"
"""The annotation on Kafka's namespace that keeps the id of the cluster whose volumes are there."""
PAUSED: Final = "strimzi.io/pause-reconciliation"


def apply(applier: Applier, declared: Object) -> Applied:
    """Apply an object; a Kafka resource that is new over old volumes gets their cluster's id first."""
    ref = Ref.of(declared)
    if (ref.group, ref.kind) != (STRIMZI, "Kafka") or "zookeeper" in declared["spec"]:
        # ZooKeeper keeps the id on volumes of its own.
        return applier.apply(declared)
    if applier.cluster.get(ref) is not None:
        return applier.apply(declared)
    namespace = applier.cluster.get(Ref("", "v1", "Namespace", "", ref.namespace))
    cluster_id = annotations_of(namespace).get(CLUSTER_ID_NOTE)
    if cluster_id is None or applier.dry_run:
        return applier.apply(declared)
    paused = copy.deepcopy(dict(declared))
    paused["metadata"].setdefault("annotations", {})[PAUSED] = "true"
    created = applier.apply(paused)
    applier.cluster.merge(ref, {"status": {"clusterId": cluster_id}}, below="status")
    applier.apply(declared)
    return created

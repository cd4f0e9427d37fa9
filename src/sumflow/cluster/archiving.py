"""What backups add to a database on a cluster: a volume of its own, an archive of WAL on it, a pod that restores; pure.

/backups/<time>/backup.json      what a backup is; written last, so that a directory without it is none
/backups/<time>/data/            the base backup, with the manifest that pg_verifybackup checks
/backups/wal/                    WAL since the first backup

The profiles declare nothing of it: whoever makes no backups has the specification's objects and pays nothing. What is
added belongs to a field manager of its own, so that a deployment neither takes it back nor sees a difference in it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

from sumflow.cluster.objects import CREATED_BY, FIELD_MANAGER, Object
from sumflow.topology.model import Database

MANAGER: Final = "sumflow-backup"
PLACE: Final = "/backups"
HELD_OPEN_S: Final = 24 * 3600
"""The longest that a pod which restores lives, should nobody be left to remove it."""

_VOLUME: Final = "backups"
_ARCHIVE: Final = (
    f"mkdir -p {PLACE}/wal && if test -f {PLACE}/wal/%f; then cmp -s %p {PLACE}/wal/%f; "
    f"else dd if=%p of={PLACE}/wal/%f.part bs=1M conv=fsync 2>/dev/null && mv {PLACE}/wal/%f.part {PLACE}/wal/%f; fi"
)
SERVER: Final = ("postgres", "-c", "archive_mode=on", "-c", f"archive_command={_ARCHIVE}")
"""The server's command: a finished segment is on the disk before it counts as archived, and none is overwritten."""


def claim(database: Database, size: str) -> dict[str, Any]:
    """Return the claim of a volume for backups."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": _claim_name(database),
            "namespace": database.workload.namespace,
            "labels": {"app.kubernetes.io/name": database.name, "app.kubernetes.io/part-of": "sumflow"},
            # `destroy --delete-data` removes it, as every other volume.
            "annotations": {CREATED_BY: FIELD_MANAGER},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def archiving(database: Database) -> dict[str, Any]:
    """Return the fields of the StatefulSet that let the server archive its WAL."""
    mount = {"name": _VOLUME, "mountPath": PLACE}
    container = {"name": database.workload.containers[0].name, "args": list(SERVER), "volumeMounts": [mount]}
    volume = {"name": _VOLUME, "persistentVolumeClaim": {"claimName": _claim_name(database)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": database.name, "namespace": database.workload.namespace},
        "spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}},
    }


def is_archiving(live: Object) -> bool:
    """Tell whether a StatefulSet has the volume for backups."""
    volumes: Sequence[Object] = live["spec"]["template"]["spec"].get("volumes") or ()
    return any(each["name"] == _VOLUME for each in volumes)


def restoring_pod(live: Object, name: str) -> dict[str, Any]:
    """Return a pod that holds the volumes of a StatefulSet open: with its image, user and mounts, and no server."""
    spec = copy.deepcopy(dict(live["spec"]["template"]["spec"]))
    (container, *_) = spec["containers"]
    kept = ("name", "image", "imagePullPolicy", "env", "envFrom", "resources", "securityContext", "volumeMounts")
    idle = {key: container[key] for key in kept if key in container}
    idle["command"] = ["sleep", str(HELD_OPEN_S)]
    spec |= {
        "containers": [idle],
        "restartPolicy": "Never",
        "activeDeadlineSeconds": HELD_OPEN_S,
        "terminationGracePeriodSeconds": 1,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        # Without the label that the database's Service selects by: nobody may take it for the database.
        "metadata": {
            "name": name,
            "namespace": live["metadata"]["namespace"],
            "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "sumflow"},
        },
        "spec": spec,
    }


def _claim_name(database: Database) -> str:
    return f"{database.name}-backups"

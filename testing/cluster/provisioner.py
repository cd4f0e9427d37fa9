"""Makes the volumes of StorageClass `standard`: a folder on the node that the scheduler chose, bound to that node.

Runs on the machine itself, as the cluster's admin: python -m testing.cluster.provisioner CLUSTER_HOME
"""

from __future__ import annotations

import logging
import shutil
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

import httpx

Object = dict[str, Any]
NAME, NODE, MADE_BY = "sfc.local/path", "sfc.local/node", "pv.kubernetes.io/provisioned-by"
MOUNT = "/var/local-path"
"""Where a node sees the folders; outside of it they are in CLUSTER_HOME/state/NODE below the same path."""
CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
log = logging.getLogger("provisioner")


class Provisioner:
    """Serves the claims and releases of one cluster; every method may raise httpx.HTTPError."""

    def __init__(self, home: Path) -> None:
        self._state = home / "state"
        tls = ssl.create_default_context(cafile=str(home / "pki/ca.crt"))
        tls.load_cert_chain(home / "pki/admin.crt", home / "pki/admin.key")
        self._client = httpx.Client(base_url="https://127.0.0.1:6443", verify=tls, timeout=10)
        self.changed = threading.Event()

    def watch(self, path: str) -> None:
        """Set `changed` with every change of the objects at `path`, for ever; the API server may be away meanwhile."""
        query = {"watch": "true", "timeoutSeconds": "300"}
        while True:
            try:
                with self._client.stream("GET", path, params=query, timeout=httpx.Timeout(10, read=330)) as answer:
                    for _ in answer.iter_lines():
                        self.changed.set()
            except httpx.HTTPError as failure:
                log.warning("watching %s again: %s", path, failure)
                threading.Event().wait(0.5)

    def serve(self) -> None:
        """Provision what is claimed, remove what is released."""
        listed = self._items("/apis/storage.k8s.io/v1/storageclasses")
        classes = {c["metadata"]["name"]: c for c in listed if c["provisioner"] == NAME}
        for claim in self._items(CLAIMS):
            storage_class = classes.get(claim["spec"].get("storageClassName"))
            node = claim["metadata"].get("annotations", {}).get("volume.kubernetes.io/selected-node")
            if storage_class and node and _is_waiting(claim):
                self._provision(claim, storage_class, node)
        for volume in self._items(VOLUMES):
            if _is_released(volume):
                self._remove(volume)

    def _items(self, path: str) -> list[Object]:
        answer = self._client.get(path).raise_for_status()
        found: list[Object] = answer.json()["items"]
        return found

    def _provision(self, claim: Object, storage_class: Object, node: str) -> None:
        meta = claim["metadata"]
        folder = f"pvc-{meta['uid']}_{meta['namespace']}_{meta['name']}"
        outside = Path(f"{self._state}/{node}{MOUNT}/{folder}")
        outside.mkdir(parents=True, exist_ok=True)
        outside.chmod(0o777)  # any pod's user writes there, as hostPath knows no fsGroup
        answer = self._client.post(VOLUMES, json=_volume(claim, storage_class, node, f"{MOUNT}/{folder}"))
        if answer.status_code != httpx.codes.CONFLICT:  # made in an earlier round, not bound yet
            answer.raise_for_status()
            log.info("made %s on %s", folder, node)

    def _remove(self, volume: Object) -> None:
        path = Path(volume["spec"]["hostPath"]["path"])
        if path.parent != Path(MOUNT) or not path.name.startswith("pvc-"):
            raise ValueError(f"{path} was not made here")
        node = volume["metadata"]["annotations"][NODE]
        shutil.rmtree(f"{self._state}/{node}{path}", ignore_errors=True)
        self._client.delete(f"{VOLUMES}/{volume['metadata']['name']}").raise_for_status()
        log.info("removed %s", path.name)


def _is_waiting(claim: Object) -> bool:
    pending = claim["status"].get("phase") == "Pending" and not claim["spec"].get("volumeName")
    return pending and "deletionTimestamp" not in claim["metadata"]


def _is_released(volume: Object) -> bool:
    ours = volume["metadata"].get("annotations", {}).get(MADE_BY) == NAME
    released = volume["status"].get("phase") == "Released" and "deletionTimestamp" not in volume["metadata"]
    return ours and released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"


def _volume(claim: Object, storage_class: Object, node: str, path: str) -> Object:
    meta, spec = claim["metadata"], claim["spec"]
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    reference = {key: meta[key] for key in ("uid", "namespace", "name")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{meta['uid']}", "annotations": {MADE_BY: NAME, NODE: node}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": "Filesystem",
            "storageClassName": storage_class["metadata"]["name"],
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }


def main(home: Path) -> None:
    """Serve for ever: after every change, and every 10 s in case that one was missed."""
    provisioner = Provisioner(home)
    for path in (CLAIMS, VOLUMES):
        threading.Thread(target=provisioner.watch, args=(path,), daemon=True).start()
    while True:
        provisioner.changed.clear()
        try:
            provisioner.serve()
        except httpx.HTTPError as failure:
            log.warning("trying again: %s", failure)
            provisioner.changed.wait(0.5)
        else:
            provisioner.changed.wait(10)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    main(Path(sys.argv[1]))

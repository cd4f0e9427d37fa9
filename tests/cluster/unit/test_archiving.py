"""What backups add to a database on a cluster, and that a restore puts back what it stopped, however it ends."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from sumflow import steps, topology
from sumflow.cluster import archiving, backup, rewind
from sumflow.cluster.backup import Backups
from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import CREATED_BY, Object, Ref
from sumflow.cluster.observe import Watch
from sumflow.cluster.streams import Outcome, Pod
from sumflow.errors import NotRunningError, SumflowError, UsageError
from sumflow.recovery.record import Backup, Record
from sumflow.verify.database import pair

DATABASE = pair(topology.load("dev"))[1]
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RECORD = Record(NOON, NOON, "1", "dev", {"totalizer-postgres-0": "0" * 24})


def _live(*, kept: bool = True) -> dict[str, Any]:
    """Return the StatefulSet as it is on the cluster, with backups or without."""
    rendered: list[Any] = list(topology.render("dev"))
    (found,) = [each for each in rendered if (each["kind"], each["metadata"]["name"]) == ("StatefulSet", DATABASE.name)]
    live = copy.deepcopy(dict(found))
    if kept:
        added = archiving.archiving(DATABASE)["spec"]["template"]["spec"]
        spec = live["spec"]["template"]["spec"]
        spec["volumes"] += added["volumes"]
        spec["containers"][0]["volumeMounts"] += added["containers"][0]["volumeMounts"]
        spec["containers"][0]["args"] = added["containers"][0]["args"]
    return live


def test_backups_add_a_volume_and_the_servers_arguments_only() -> None:
    """Nothing that the profile declares is said again, so nobody else's field is taken over."""
    declared, added = _live(kept=False), archiving.archiving(DATABASE)
    (container,) = added["spec"]["template"]["spec"]["containers"]
    assert container.keys() == {"name", "args", "volumeMounts"}
    assert "args" not in declared["spec"]["template"]["spec"]["containers"][0]
    assert not archiving.is_archiving(declared)
    assert archiving.is_archiving(_live())
    assert CREATED_BY in archiving.claim(DATABASE, "1Gi")["metadata"]["annotations"]


def test_a_pod_that_restores_is_the_database_without_its_server() -> None:
    """Image, user, mounts and limits are the database's; no Service finds it, no probe asks it, it ends by itself."""
    live = _live()
    pod = archiving.restoring_pod(live, "x")
    template = live["spec"]["template"]["spec"]
    (container,) = pod["spec"]["containers"]
    for key in ("image", "securityContext", "volumeMounts", "envFrom"):
        assert container[key] == template["containers"][0][key]
    assert pod["spec"]["volumes"] == template["volumes"]
    assert pod["spec"]["securityContext"] == template["securityContext"]
    assert not {"livenessProbe", "readinessProbe", "args", "ports"} & container.keys()
    assert "app" not in pod["metadata"]["labels"]
    assert pod["spec"]["activeDeadlineSeconds"] > 0


@dataclass
class FakeCluster:
    """A server with one StatefulSet; remembers what is asked of it."""

    live: dict[str, Any] = field(default_factory=_live)
    done: list[str] = field(default_factory=list)

    def get(self, ref: Ref) -> Object | None:
        """Return the StatefulSet, and no pod."""
        return self.live if ref.kind == "StatefulSet" else None

    def merge(self, ref: Ref, change: Object, *, manager: str) -> None:
        """Remember the number of replicas."""
        assert manager == archiving.MANAGER
        self.done.append(f"scale to {change['spec']['replicas']}")

    def apply(self, found: Object, *, manager: str) -> None:
        """Remember what was made."""
        self.done.append(f"make {found['metadata']['name']}")

    def delete(self, ref: Ref) -> None:
        """Remember what was removed."""
        self.done.append(f"remove {ref.name}")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Backups:
    """The backups of a database that does not run, in a cluster where everything becomes ready."""

    def away(_: Backups) -> Pod:
        raise NotRunningError("it does not run")

    monkeypatch.setattr(Watch, "ready", lambda *_: steps.Ready())
    monkeypatch.setattr(Backups, "pod", away)
    monkeypatch.setattr(Backups, "listed", lambda *_: [_a_backup()])
    return Backups(cast("Cluster", FakeCluster()), DATABASE)


def _a_backup() -> Backup:
    return backup.read(f"/backups/1\t{msgspec.json.encode(RECORD).decode()}")


AS_BEFORE = [
    "remove totalizer-postgres-restore",
    "scale to 0",
    "make totalizer-postgres-restore",
    "remove totalizer-postgres-restore",
    "scale to 1",
]


def test_a_restore_stops_works_and_starts(kept: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away only as long as the pod that restores is there; which backup was used is told."""
    monkeypatch.setattr(rewind, "run_in", lambda *_: Outcome(0, "", ""))
    assert rewind.rewind(kept, NOON, steps.Silent()) == _a_backup()
    assert cast("FakeCluster", kept.cluster).done == AS_BEFORE


@pytest.mark.parametrize("failure", [SumflowError("the moment is not reached"), KeyboardInterrupt()])
def test_a_restore_that_fails_starts_the_database_again(
    kept: Backups, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """A failure and Ctrl-C leave the same: no pod that restores, one database."""

    def fails(*_: object) -> Outcome:
        raise failure

    monkeypatch.setattr(rewind, "run_in", fails)
    with pytest.raises(type(failure)):
        rewind.rewind(kept, None, steps.Silent())
    assert cast("FakeCluster", kept.cluster).done == AS_BEFORE


def test_a_moment_without_a_backup_is_refused_before_anything_stops(
    kept: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database runs its backups are looked at first; one that makes none says what to type."""
    monkeypatch.setattr(Backups, "pod", lambda kept: kept.at(kept.component))
    with pytest.raises(UsageError, match="no backup of totalizer-postgres-0"):
        rewind.rewind(kept, datetime(2020, 1, 1, tzinfo=UTC), steps.Silent())
    without = Backups(cast("Cluster", FakeCluster(_live(kept=False))), DATABASE)
    with pytest.raises(UsageError, match="there are no backups"):
        rewind.rewind(without, None, steps.Silent())
    assert cast("FakeCluster", kept.cluster).done == []


def test_a_damaged_record_is_told() -> None:
    """A backup that cannot be read is not passed over in silence."""
    with pytest.raises(SumflowError, match="damaged"):
        backup.read("/backups/1\t{")

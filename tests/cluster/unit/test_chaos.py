"""What `chaos` breaks on a cluster, and by which means; and that nothing is begun where it could not be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sumflow import topology
from sumflow.chaos import on_kubernetes
from sumflow.chaos.faults import Fault, Kind
from sumflow.chaos.lines import CLIENTS_LINE, Lines
from sumflow.chaos.on_kubernetes import DeployedSystem
from sumflow.chaos.target import NotNowError
from sumflow.cli.main import run
from sumflow.cluster import components, deployed, signals
from sumflow.cluster.client import Cluster
from sumflow.cluster.demand import Permission
from sumflow.cluster.objects import Object, Ref
from sumflow.cluster.streams import Pod
from sumflow.cluster.target import ClusterTarget
from sumflow.errors import NotRunningError, SumflowError
from tests.cluster.unit.recorded import JUST_NOW

PODS = {
    "app=adder": ["adder-5c9-x7k2p", "adder-5c9-b4mzq"],
    "app=totalizer": ["totalizer-7f6-aaaaa"],
    "app=adder-postgres": ["adder-postgres-0"],
    "app=totalizer-postgres": ["totalizer-postgres-0"],
    "strimzi.io/name=sumflow-kafka-kafka": ["sumflow-kafka-kafka-0", "sumflow-kafka-kafka-1", "sumflow-kafka-kafka-2"],
    "strimzi.io/name=sumflow-kafka-zookeeper": ["sumflow-kafka-zookeeper-0"],
}
SPEC = topology.load("spec")


@dataclass
class FakeCluster:
    """A server with the pods of a system; it remembers which were deleted, and how much time they had."""

    context: str = "test"
    server: str = "https://127.0.0.1:6443"
    pods: dict[str, list[str]] = field(default_factory=lambda: {labels: list(names) for labels, names in PODS.items()})
    ending: set[str] = field(default_factory=set)
    deleted: list[tuple[str, int | None]] = field(default_factory=list)
    allowed: Callable[[Permission], bool] = lambda permission: True

    def list(self, ref: Ref, *, labels: str = "", fields: str = "") -> tuple[Object, ...]:
        """Return the pods that carry labels and run."""
        assert (ref.kind, fields) == ("Pod", "status.phase=Running")
        return tuple({"metadata": self._meta(name)} for name in self.pods[labels])

    def delete(self, ref: Ref, *, uid: str = "", grace_s: int | None = None) -> None:
        """Remember it."""
        assert (ref.kind, uid) == ("Pod", "")
        self.deleted.append((f"{ref.namespace}/{ref.name}", grace_s))

    def may(self, permission: Permission) -> bool:
        """Answer what the test set."""
        return self.allowed(permission)

    def _meta(self, name: str) -> Mapping[str, Any]:
        return {"name": name} | ({"deletionTimestamp": JUST_NOW} if name in self.ending else {})


@dataclass
class Inside:
    """What was run in pods instead of running it."""

    begun: list[tuple[str, str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    refuses: str = ""

    def started(
        self, cluster: Cluster, pod: Pod, command: Sequence[str], *, says: str, within_s: float = 10
    ) -> Callable[[], None]:
        """Remember a command that goes on."""
        del cluster, says, within_s
        if self.refuses:
            raise SumflowError(f"{command[0]} in {pod} did not do what was asked", why=self.refuses)
        self.begun.append((pod.name, pod.container, command[2]))
        return lambda: self.ended.append(pod.name)

    def execute(self, cluster: Cluster, pod: Pod, command: Sequence[str], *, within_s: float = 30) -> None:
        """Remember a command that ends."""
        del cluster, within_s
        self.begun.append((pod.name, pod.container, command[2]))


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Nothing is run in pods; what would be is remembered."""
    fake = Inside()
    monkeypatch.setattr(signals, "started", fake.started)
    monkeypatch.setattr(signals, "execute", fake.execute)
    return fake


def _system(cluster: FakeCluster, lines: Lines | None = None) -> DeployedSystem:
    reached = cast("Cluster", cluster)
    lines = lines or Lines({})
    return DeployedSystem(
        reached, cast("ClusterTarget", None), lines, components.look(reached, SPEC), on_kubernetes.ways(SPEC)
    )


def _fault(kind: Kind, target: str) -> Fault:
    return Fault(1, kind, target, 1.0, 2.0)


def test_components_have_the_names_of_one_machine() -> None:
    """Two adders are two relays, each in the same pod; brokers and ZooKeeper nodes are counted like processes."""
    found = components.look(cast("Cluster", FakeCluster()), SPEC)
    assert sorted(found) == [
        *("adder-0", "adder-1", "adder-postgres-0"),
        *("kafka-0", "kafka-1", "kafka-2", "relay-0", "relay-1"),
        *("totalizer-0", "totalizer-postgres-0", "zookeeper-0"),
    ]


def test_a_broker_is_its_own_pod_and_an_adder_any_that_runs() -> None:
    """kafka-1 stays the same pod while kafka-0 is away; adder-0 is the first that runs, whatever it is called now."""
    cluster = FakeCluster()
    reached = cast("Cluster", cluster)
    found = components.look(reached, SPEC)
    cluster.ending |= {"sumflow-kafka-kafka-0", "adder-5c9-b4mzq"}
    assert components.pod_of(reached, found["kafka-1"]).name == "sumflow-kafka-kafka-1"
    assert components.pod_of(reached, found["relay-0"]) == Pod("sumflow", "adder-5c9-x7k2p", "relay")
    for name in ("kafka-0", "adder-1"):
        with pytest.raises(NotRunningError, match=f"{name} has no running pod"):
            components.pod_of(reached, found[name])


def test_what_is_offered() -> None:
    """Everything may be killed and restarted, brokers and ZooKeeper cannot be stopped, and one line can be broken."""
    offers = _system(FakeCluster()).offers()
    assert len(offers[Kind.KILL]) == len(offers[Kind.RESTART]) == 11
    assert not [name for name in offers[Kind.FREEZE] if name.startswith(("kafka", "zookeeper"))]
    assert Kind.DISK not in offers


@pytest.mark.parametrize(
    ("kind", "target", "pod", "grace_s"),
    [
        (Kind.KILL, "kafka-1", "sumflow-kafka/sumflow-kafka-kafka-1", signals.AT_ONCE_S),
        (Kind.RESTART, "kafka-1", "sumflow-kafka/sumflow-kafka-kafka-1", None),
        (Kind.RESTART, "adder-postgres-0", "sumflow/adder-postgres-0", None),
        (Kind.RESTART, "totalizer-0", "sumflow/totalizer-7f6-aaaaa", None),
    ],
)
def test_pods_are_ended(inside: Inside, kind: Kind, target: str, pod: str, grace_s: int | None) -> None:
    """A pod goes in its own time, or nearly at once; never with grace 0, which would let two servers share a volume."""
    cluster = FakeCluster()
    _system(cluster).begin(_fault(kind, target))()
    assert cluster.deleted == [(pod, grace_s)]
    assert inside.begun == []
    assert signals.AT_ONCE_S > 0


@pytest.mark.parametrize(
    ("kind", "target", "container", "means"),
    [
        (Kind.KILL, "adder-0", "adder", "exitkill"),
        (Kind.KILL, "relay-0", "relay", "RLIMIT_CPU"),
        (Kind.RESTART, "relay-1", "relay", "SIGTERM"),
        (Kind.FREEZE, "totalizer-0", "totalizer", "ptrace"),
        (Kind.KILL, "adder-postgres-0", "postgres", "kill -KILL -1"),
    ],
)
def test_processes_are_ended_and_stopped(inside: Inside, kind: Kind, target: str, container: str, means: str) -> None:
    """By a command in their own container, and in no other: a relay is hit without its adder."""
    cluster = FakeCluster()
    _system(cluster).begin(_fault(kind, target))
    ((_, where, script),) = inside.begun
    assert where == container
    assert means in script
    assert cluster.deleted == []


@pytest.mark.parametrize(("target", "pod"), [("adder-0", "adder-5c9-b4mzq"), ("adder-postgres-0", "adder-postgres-0")])
def test_what_stands_still_goes_on_when_it_is_taken_back(inside: Inside, target: str, pod: str) -> None:
    """A service's tracer is told to end, a database's processes are continued."""
    undo = _system(FakeCluster()).begin(_fault(Kind.FREEZE, target))
    before = len(inside.begun)
    undo()
    continued = [name for name, _, script in inside.begun[before:] if "kill -CONT" in script]
    assert [*inside.ended, *continued] == [pod]


def test_what_cannot_be_done_now_is_no_failure(inside: Inside) -> None:
    """A pod that is away, and a node that does not let be traced, are told with the fault; the run goes on."""
    cluster = FakeCluster()
    system = _system(cluster)
    inside.refuses = "this node does not let a process be traced: Operation not permitted"
    with pytest.raises(NotNowError, match="does not let a process be traced"):
        system.begin(_fault(Kind.FREEZE, "adder-0"))
    cluster.pods["app=totalizer"].clear()
    with pytest.raises(NotNowError, match="totalizer-0 has no running pod"):
        system.begin(_fault(Kind.KILL, "totalizer-0"))


def test_nothing_is_begun_without_the_permissions() -> None:
    """Each permission that is missing is named before anything is broken."""
    cluster = FakeCluster(allowed=lambda permission: permission.verb not in ("*", "delete"))
    with pytest.raises(SumflowError) as refused:
        on_kubernetes.check(cast("Cluster", cluster), SPEC)
    assert "cannot delete pods in the namespace sumflow-kafka" in refused.value.why


def test_a_system_that_is_not_well_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong before could not be told from what chaos did."""
    monkeypatch.setattr(on_kubernetes, "problem", lambda cluster, system: "Deployment sumflow/adder: 0 of 2 available")
    with pytest.raises(NotRunningError) as refused:
        on_kubernetes.check(cast("Cluster", FakeCluster()), SPEC)
    assert "0 of 2 available" in refused.value.why


def test_it_is_not_done_unasked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can be asked and --yes is not said, it is refused before anything is broken; as with `destroy`."""
    monkeypatch.setattr(Cluster, "connect", lambda context: FakeCluster())
    monkeypatch.setattr(deployed, "declared", lambda cluster: SPEC)
    monkeypatch.setattr(on_kubernetes, "check", lambda cluster, system: None)
    assert run(["chaos", "--on", "kubernetes"]) == 2
    assert "sumflow chaos --on kubernetes --yes" in capsys.readouterr().err


def test_the_profile_is_the_deployed_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Naming another one would break something else than was meant."""
    assert run(["chaos", "--on", "kubernetes", "--yes", "--profile", "kraft"]) == 2
    assert "--profile and --manifests are for a system on this machine" in capsys.readouterr().err


def test_the_clients_line_has_its_proxy() -> None:
    """Cut, stalled and slowed is the way of the clients, under the name that it has on one machine."""
    assert _system(FakeCluster(), Lines({CLIENTS_LINE: cast("Any", None)})).offers()[Kind.CUT] == (CLIENTS_LINE,)

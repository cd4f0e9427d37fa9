"""What a cluster does to pods and nodes, done on purpose under load: the total is exact afterwards, and never stuck."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testing.strimzi_standin import install
from tests.cluster.live.load import Load, waited
from tests.cluster.live.system import System

SETTLE_S = 240.0
AT_ONCE = "--grace-period=1"
"""Kubelets make it two seconds, then SIGKILL. With 0 the API forgets a pod that still runs, and its StatefulSet starts
another one on the same volume: two servers on it are no fault that anybody stands."""
SCALING_S = 480.0
"""The autoscaler looks every 15 s, at figures that are up to a minute old, and may overshoot before it comes back."""


@pytest.fixture(scope="module")
def kraft(empty: System, tmp_path_factory: pytest.TempPathFactory) -> System:
    """Return the cluster with three brokers on three nodes."""
    system = System(install.write("1.2.0", tmp_path_factory.mktemp("kraft")), profile="kraft")
    done = system.deploy()
    assert done.code == 0, done.out + done.err
    return system


@contextmanager
def _exact(system: System, pace_s: float = 0.004) -> Iterator[Load]:
    """Load the system meanwhile; afterwards the total is greater by exactly what was acknowledged."""
    before = _total(system)
    with Load(f"{_service(system, 'adder')}:50051", pace_s=pace_s) as load:
        load.goes_on()
        yield load
        load.goes_on()
    waited(lambda: _total(system) - before >= load.added, "the total that includes everything", SETTLE_S)
    assert _total(system) - before == load.added


def _total(system: System) -> int:
    done = system.sumflow("total", "--on", "kubernetes")
    return int(done.out) if done.code == 0 else -1


def _service(system: System, name: str) -> str:
    return system.kubectl("get", "service", name, "-n", "sumflow", "-o", "jsonpath={.spec.clusterIP}")


def _pods(system: System, app: str) -> dict[str, str]:
    """Return the nodes of the pods that run, by name."""
    found = system.get("pods", "-n", "sumflow", "-l", f"app={app}", "--field-selector=status.phase=Running")
    return {
        str(pod["metadata"]["name"]): str(pod["spec"]["nodeName"])
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
    }


def _healthy(system: System) -> bool:
    return system.sumflow("status", "--on", "kubernetes").code == 0


def test_three_brokers_pass_the_checklist(kraft: System) -> None:
    """Every line of the checklist, on the profile for new clusters; KRaft's quorum instead of ZooKeeper's."""
    done = kraft.sumflow("verify", "--on", "kubernetes", "--json")
    assert [check["name"] for check in done.document["checks"] if check["result"] == "failed"] == []
    assert done.code == 0


def test_copies_of_a_service_are_on_different_nodes(kraft: System) -> None:
    """The loss of a node takes one adder and one totalizer at most, and one broker."""
    assert len(set(_pods(kraft, "adder").values())) == 2
    assert len(set(_pods(kraft, "totalizer").values())) == 2
    brokers = kraft.get("pods", "-n", "sumflow-kafka", "-l", "strimzi.io/name=sumflow-kafka-kafka")
    assert len({pod["spec"]["nodeName"] for pod in brokers}) == 3


def test_a_drain_takes_one_pod_at_a_time(kraft: System) -> None:
    """The disruption budget lets the first adder go, and refuses the second until a new one is ready."""
    first, second = _pods(kraft, "adder")
    assert _evict(kraft, first) == ""
    assert "disruption budget" in _evict(kraft, second)
    waited(lambda: _healthy(kraft), "a new adder", SETTLE_S)


def _evict(system: System, pod: str) -> str:
    """Ask for a pod's eviction; return the server's refusal."""
    body = f'{{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {{"name": "{pod}", "namespace": "sumflow"}}}}'
    path = f"/api/v1/namespaces/sumflow/pods/{pod}/eviction"
    return system.attempt("create", "--raw", path, "-f", "-", given=body).err


def test_the_autoscaler_decides_and_deploy_respects_it(kraft: System) -> None:
    """It sees the pods' use of CPU and scales; a deployment puts its bounds back, and leaves the copies to it."""
    waited(lambda: _use(kraft) is not None, "figures of the adder's CPU", SETTLE_S)
    kraft.kubectl("patch", "hpa/adder", "-n", "sumflow", "--type=merge", "-p", '{"spec": {"minReplicas": 3}}')
    waited(lambda: len(_pods(kraft, "adder")) == 3, "a third adder", SETTLE_S)
    done = kraft.deploy("--force-conflicts", "--json")
    assert done.code == 0, done.err
    changed = [each["object"] for each in done.document["changes"] if each["answer"] != "unchanged"]
    assert changed == ["horizontalpodautoscaler.autoscaling/adder"]


def test_the_autoscaler_follows_the_load(kraft: System) -> None:
    """Real use of CPU brings more adders, its end takes them back; what those that went had accepted is counted."""
    with _scaling_soon(kraft), _exact(kraft, pace_s=0.25) as steady:
        least = len(_pods(kraft, "adder"))
        with Load(steady.address, clients=8, pace_s=0) as heavy:
            waited(lambda: len(_pods(kraft, "adder")) > least, "another adder", SCALING_S)
            heavy.goes_on()
        steady.includes(heavy)
        waited(lambda: len(_pods(kraft, "adder")) <= least, "as few adders as before", SCALING_S)
    assert kraft.sumflow("audit", "--on", "kubernetes", "--json").document["clean"]


@contextmanager
def _scaling_soon(system: System) -> Iterator[None]:
    """Let the autoscaler act on less use than declared, and take copies back at once instead of after five minutes."""
    found = system.get("hpa", "-n", "sumflow", "--field-selector=metadata.name=adder")[0]["spec"]
    target = "/spec/metrics/0/resource/target/averageUtilization"
    soon = [
        {"op": "replace", "path": target, "value": 20},
        {"op": "add", "path": "/spec/behavior", "value": {"scaleDown": {"stabilizationWindowSeconds": 0}}},
    ]
    system.kubectl("patch", "hpa/adder", "-n", "sumflow", "--type=json", "-p", json.dumps(soon))
    try:
        yield
    finally:
        as_before = [{"op": "replace", "path": "/spec", "value": found}]
        system.kubectl("patch", "hpa/adder", "-n", "sumflow", "--type=json", "-p", json.dumps(as_before))


def _use(system: System) -> int | None:
    """Return the adder's use of CPU in percent of its request, as the autoscaler sees it; None before the first."""
    (found,) = system.get("hpa", "-n", "sumflow", "--field-selector=metadata.name=adder")
    seen = [each["resource"]["current"] for each in found["status"].get("currentMetrics") or () if "resource" in each]
    return next((int(each["averageUtilization"]) for each in seen if "averageUtilization" in each), None)


@pytest.mark.parametrize("app", ["adder", "totalizer"])
def test_killed_pods_cost_no_sum(kraft: System, app: str) -> None:
    """Pods that end without a moment's notice are replaced; whatever was acknowledged is in the total, once."""
    with _exact(kraft):
        for name in list(_pods(kraft, app))[:2]:
            kraft.kubectl("delete", "pod", name, "-n", "sumflow", "--grace-period=0", "--force")
    waited(lambda: _healthy(kraft), "every part ready again", SETTLE_S)


@pytest.mark.parametrize("app", ["adder-postgres", "totalizer-postgres"])
def test_a_killed_database_costs_no_sum(kraft: System, app: str) -> None:
    """A database that is given no time to end in good order recovers; what was acknowledged is in the total, once."""
    with _exact(kraft):
        kraft.kubectl("delete", "pod", f"{app}-0", "-n", "sumflow", AT_ONCE)
    waited(lambda: _healthy(kraft), "every part ready again", SETTLE_S)


def test_killed_brokers_cost_no_sum(kraft: System) -> None:
    """A broker that ends without notice is within what the topic's copies stand."""
    with _exact(kraft):
        kraft.kubectl("delete", "pod", _broker(kraft, 0), "-n", "sumflow-kafka", AT_ONCE)
    waited(lambda: _healthy(kraft), "every part ready again", SETTLE_S)


def _broker(system: System, number: int) -> str:
    pods = system.get("pods", "-n", "sumflow-kafka", "-l", "strimzi.io/name=sumflow-kafka-kafka")
    return sorted(str(pod["metadata"]["name"]) for pod in pods)[number]


def test_passwords_rotate_under_load(kraft: System) -> None:
    """Both passwords change while sums come in; each that was acknowledged is counted, once."""
    with _exact(kraft):
        done = kraft.sumflow("secrets", "rotate")
        assert done.code == 0, done.out + done.err
    assert kraft.diff().code == 0


@pytest.mark.parametrize("way", ["kill", "cut"])
def test_a_lost_node_costs_no_sum(kraft: System, way: str) -> None:
    """While a node is away sums go on, and those that its adder had accepted are counted; back, it takes part again."""
    node = _node_without_databases(kraft)
    _place_an_adder(kraft, node)
    with _returning(kraft, node, way), _exact(kraft) as load:
        kraft.harness("node.sh", way, node.removeprefix("node"))
        waited(lambda: not _is_ready(kraft, node), f"{node} to be missed", SETTLE_S)
        load.goes_on()
    waited(lambda: _is_ready(kraft, node), f"{node} again", SETTLE_S)
    waited(lambda: _healthy(kraft), "every part ready again", SETTLE_S)


def test_a_lost_database_comes_back_with_its_node(kraft: System) -> None:
    """The node that holds a volume is away: status and checks name it; when it is back, sums go on and none is lost."""
    (node,) = _pods(kraft, "adder-postgres").values()
    with _exact(kraft) as load:
        with _returning(kraft, node, "kill"):
            kraft.harness("node.sh", "kill", node.removeprefix("node"))
            waited(lambda: not _is_ready(kraft, node), f"{node} to be missed", SETTLE_S)
            told = kraft.sumflow("status", "--on", "kubernetes")
            assert told.code == 1
            assert f"pod sumflow/adder-postgres-0 is on {node}, a node that does not answer" in told.out
            assert f"kubectl describe node {node}" in told.out
            checked = kraft.sumflow("verify", "--on", "kubernetes", "--json").document["checks"]
            (refused,) = [each for each in checked if each["check"].startswith("adder-postgres accepts")]
            assert f"on {node}, a node that does not answer" in refused["evidence"]
        load.goes_on()
    waited(lambda: _healthy(kraft), "every part ready again", SETTLE_S)
    assert kraft.sumflow("audit", "--on", "kubernetes", "--json").document["clean"]


def _node_without_databases(system: System) -> str:
    """Choose the node that may be lost: no other node has the volume of a database."""
    databases = {*_pods(system, "adder-postgres").values(), *_pods(system, "totalizer-postgres").values()}
    return next(node for node in ("node1", "node2", "node3") if node not in databases)


def _place_an_adder(system: System, node: str) -> None:
    """See to it that the node has an adder: of three copies one is on each node."""
    system.kubectl("patch", "hpa/adder", "-n", "sumflow", "--type=merge", "-p", '{"spec": {"minReplicas": 3}}')
    waited(lambda: node in _pods(system, "adder").values() and _healthy(system), f"an adder on {node}", SETTLE_S)


@contextmanager
def _returning(system: System, node: str, way: str) -> Iterator[None]:
    """Bring a lost node back afterwards, whatever happened."""
    try:
        yield
    finally:
        system.harness("node.sh", {"kill": "start", "cut": "heal"}[way], node.removeprefix("node"))


def _is_ready(system: System, node: str) -> bool:
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return system.kubectl("get", "node", node, "-o", path) == "True"

"""From the manifests to processes: what is run, with what environment, and in which order."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sumflow import topology
from sumflow.local import discovery, jvm, kafka, plan, ports, postgres, process
from sumflow.local.checks import HttpOk, PortOpen, ZooKeeperAlive, ZooKeeperServes
from sumflow.local.datadir import DataDir
from sumflow.local.java import Java
from sumflow.topology.model import DnsAddress, Topology

JVM = jvm.Jvm(Java(Path("/jdk/bin/java"), "21.0.8", 21, "PATH"), (Path("/cache/kafka.jar"),))


def planned(
    profile: str, base: int | None = None, home: Path = Path("/data")
) -> tuple[Topology, plan.Machine, dict[str, plan.Component]]:
    """Plan a profile on a machine that need not exist."""
    declared = topology.load(profile)
    secrets = {(s.namespace, s.name): {**s.values, "POSTGRES_PASSWORD": "generated"} for s in declared.secrets}
    machine = plan.Machine(DataDir(home), ports.assign(declared, base), secrets, JVM, "id", sys.executable)
    return declared, machine, {c.name: c for c in plan.components(declared, machine)}


@pytest.mark.parametrize(
    ("profile", "kafka_nodes", "keepers", "replicas"), [("dev", 1, 0, 1), ("kraft", 3, 0, 2), ("spec", 3, 3, 2)]
)
def test_every_declared_process_is_planned(profile: str, kafka_nodes: int, keepers: int, replicas: int) -> None:
    """The components are the declared brokers, nodes, databases and replicas, and nothing else."""
    names = {f"kafka-{i}" for i in range(kafka_nodes)} | {f"zookeeper-{i}" for i in range(keepers)}
    names |= {f"{service}-{i}" for service in ("adder", "relay", "totalizer") for i in range(replicas)}
    assert set(planned(profile)[2]) == names | {"adder-postgres-0", "totalizer-postgres-0"}


@pytest.mark.parametrize("profile", ["dev", "kraft", "spec"])
def test_no_process_sees_a_dns_name_or_a_placeholder(profile: str) -> None:
    """Every environment speaks of local ports, pod names and generated passwords only."""
    for component in planned(profile)[2].values():
        for value in component.command.env.values():
            assert "svc.cluster.local" not in value
            assert "0.0.0.0" not in value  # noqa: S104 -- it must not be there
            assert "change-me" not in value
            assert "$(" not in value


def test_a_replica_listens_where_its_probe_asks() -> None:
    """The second adder's health port is its own, its public port is shared, and its name is its pod's."""
    component = planned("kraft")[2]["adder-1"]
    env = component.command.env
    assert (env["METRICS_LISTEN"], env["GRPC_LISTEN"]) == ("127.0.0.1:10090", "127.0.0.1:50051")
    assert component.readiness == HttpOk(10090, "/readyz")
    assert component.liveness == HttpOk(10090, "/livez")
    assert env["INSTANCE"] == "adder-1"


def test_every_server_is_asked_for_an_answer() -> None:
    """Nothing that hangs passes for ready or live: an open port alone is enough for no component."""
    for profile in ("dev", "kraft", "spec"):
        for name, component in planned(profile)[2].items():
            assert component.liveness, name
            assert not isinstance(component.readiness, PortOpen), name
            assert not isinstance(component.liveness, PortOpen), name


def test_a_zookeeper_node_is_not_restarted_for_its_peers(tmp_path: Path) -> None:
    """It is ready with a quorum, and live without one, unless it cannot read its own log; that is mended at a start."""
    _, machine, nodes = planned("spec", home=tmp_path)
    node, data = nodes["zookeeper-0"], machine.home.data("zookeeper-0")
    assert (type(node.readiness), type(node.liveness)) == (ZooKeeperServes, ZooKeeperAlive)
    (data / "version-2").mkdir(parents=True)
    (data / "version-2" / "log.1").touch()
    assert node.before_start
    assert "log.1" in node.before_start()


def test_what_is_data_and_cannot_come_from_others_is_known_by_a_file() -> None:
    """Databases, KRaft nodes and ZooKeeper nodes; brokers beside ZooKeeper fill an empty directory from each other."""
    kept = {name: component.keeps for name, component in planned("dev")[2].items() if component.keeps}
    assert {name: path.name for name, path in kept.items()} == {
        "kafka-0": "meta.properties",
        "adder-postgres-0": "PG_VERSION",
        "totalizer-postgres-0": "PG_VERSION",
    }
    kinds = {name.rpartition("-")[0] for name, component in planned("spec")[2].items() if component.keeps}
    assert kinds == {"zookeeper", "adder-postgres", "totalizer-postgres"}


def test_a_totalizer_keeps_its_name_in_the_consumer_group() -> None:
    """A copy that is started again is the member that it was; who reads no topic has no such name."""
    env = {name: component.command.env for name, component in planned("kraft")[2].items()}
    assert [env[f"totalizer-{i}"]["KAFKA_GROUP_INSTANCE"] for i in range(2)] == ["totalizer-0", "totalizer-1"]
    assert not any("KAFKA_GROUP_INSTANCE" in env[name] for name in ("adder-0", "relay-0"))


def test_declared_names_lead_to_the_local_servers() -> None:
    """A service reaches its own database, and Kafka through all brokers."""
    env = planned("kraft", 31000)[2]["totalizer-0"].command.env
    assigned = planned("kraft", 31000)[1].ports
    brokers = ",".join(f"127.0.0.1:{assigned[f'kafka-{i}/plain']}" for i in range(3))
    assert env["POSTGRES_ADDRESS"] == f"127.0.0.1:{assigned['totalizer-postgres-0/postgres']}"
    assert env["KAFKA_BOOTSTRAP_SERVERS"] == brokers
    assert env["POSTGRES_PASSWORD"] == "generated"


def test_the_discovery_table_has_every_declared_service() -> None:
    """Each DNS name and port of the manifests leads to a local address."""
    declared, machine, _ = planned("spec")
    table = discovery.table(declared, machine.ports, plan.kafka_layout(declared, machine).bootstrap)
    wanted = {DnsAddress(service.host, port) for service in declared.discovery for port in service.ports}
    assert set(table) == wanted | {declared.kafka.bootstrap}


def test_every_process_carries_its_mark() -> None:
    """Each process can be found by the data directory and the name in its environment."""
    for name, component in planned("spec")[2].items():
        assert component.command.env[process.MARKER] == "/data"
        assert component.command.env[process.COMPONENT] == name


def test_java_writes_nothing_outside_the_data_directory() -> None:
    """Temporary files of every Java process lie below the data directory, and none publishes performance data."""
    for name, component in planned("spec")[2].items():
        if name.startswith(("kafka", "zookeeper")):
            assert "-Djava.io.tmpdir=/data/run" in component.command.argv
            assert "-XX:-UsePerfData" in component.command.argv


def test_stopping_takes_less_than_ten_seconds_at_worst() -> None:
    """All stages' graces together stay below the limit of a `down`."""
    assert sum(plan.STOP_GRACE_S.values()) < 10
    assert set(plan.STOP_GRACE_S) == set(plan.STAGES)
    for component in planned("spec")[2].values():
        assert component.rules.stop_grace_s == plan.STOP_GRACE_S[component.stage]


@pytest.mark.parametrize("profile", ["dev", "kraft", "spec"])
def test_the_custom_resources_config_reaches_every_broker(profile: str) -> None:
    """Each key of the Kafka resource's config is in each broker's server.properties, with its value."""
    declared, machine, _ = planned(profile)
    layout = plan.kafka_layout(declared, machine)
    for node in layout.nodes:
        assert declared.kafka.config.items() <= kafka.node_properties(layout, node).items()


def test_the_custom_resource_comes_before_what_is_ours() -> None:
    """A key that both set has the declared value."""
    declared, machine, _ = planned("dev")
    layout = plan.kafka_layout(declared, machine)
    key = kafka.LOCAL_ONLY[0][0]
    assert key not in declared.kafka.config
    other = kafka.Layout(_with_config(declared, {key: "77"}).kafka, "id", layout.nodes)
    assert kafka.node_properties(other, layout.nodes[0])[key] == "77"


def test_zookeeper_nodes_know_each_other() -> None:
    """Each node lists all three, with ports that no two share; brokers know all of them."""
    declared, machine, _ = planned("spec")
    layout = plan.kafka_layout(declared, machine)
    lists = [kafka.zookeeper_properties(layout, node) for node in layout.zookeeper]
    members = [{k: v for k, v in each.items() if k.startswith("server.")} for each in lists]
    assert members[0] == members[1] == members[2]
    assert len(set(members[0].values())) == 3
    connect = kafka.node_properties(layout, layout.nodes[0])["zookeeper.connect"]
    assert connect.split(",") == [f"127.0.0.1:{node.client_port}" for node in layout.zookeeper]
    assert "process.roles" not in kafka.node_properties(layout, layout.nodes[0])


def test_kraft_nodes_vote_for_each_other() -> None:
    """Every node names the same three voters, by their controller ports."""
    declared, machine, _ = planned("kraft")
    layout = plan.kafka_layout(declared, machine)
    voters = {kafka.node_properties(layout, node)["controller.quorum.voters"] for node in layout.nodes}
    assert voters == {",".join(f"{n.node_id}@127.0.0.1:{n.controller_port}" for n in layout.nodes)}


def test_the_declared_databases_are_of_the_release_that_is_here() -> None:
    """The manifests' reader lets one release of PostgreSQL pass, and it is the one that this machine brings."""
    declared, _, _ = planned("dev")
    tags = [database.workload.containers[0].image.rpartition(":")[2] for database in declared.databases]
    assert {tag.partition("-")[0] for tag in tags} == {postgres.MAJOR}


@pytest.mark.parametrize("profile", ["kraft", "spec"])
def test_a_detour_leads_others_and_not_the_component_itself(profile: str) -> None:
    """Services and brokers are told the detour's port; the component listens, and is asked how it is, on its own."""
    declared, machine, _ = planned(profile)
    detours = {"adder-postgres-0/postgres": 7001, "kafka-1/plain": 7002}
    detoured = replace(machine, detours=detours)
    components = {c.name: c for c in plan.components(declared, detoured)}
    assert components["adder-0"].command.env["POSTGRES_ADDRESS"] == "127.0.0.1:7001"
    brokers = components["totalizer-0"].command.env["KAFKA_BOOTSTRAP_SERVERS"]
    assert brokers == "127.0.0.1:9092,127.0.0.1:7002,127.0.0.1:11092"
    assert components["adder-postgres-0"].addresses == (f"127.0.0.1:{machine.ports['adder-postgres-0/postgres']}",)
    layout = plan.kafka_layout(declared, detoured)
    properties = kafka.node_properties(layout, layout.nodes[1])
    assert properties["advertised.listeners"] == "PLAIN://127.0.0.1:7002"
    assert properties["listeners"].startswith("PLAIN://127.0.0.1:10092")
    assert layout.bootstrap == "127.0.0.1:9092,127.0.0.1:10092,127.0.0.1:11092"


def _with_config(declared: Topology, config: dict[str, str]) -> Topology:
    return replace(declared, kafka=replace(declared.kafka, config=config))

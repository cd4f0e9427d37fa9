"""Single objects are read into the values that Kubernetes and Strimzi would give them, defaults included."""

from __future__ import annotations

from sumflow.topology import kafka, manifests, workloads
from sumflow.topology.declared import Declared
from sumflow.topology.model import Container, ExecProbe, GrpcProbe, HttpProbe, Probe, Resources, SecretKey, Workload
from sumflow.topology.objects import Object
from sumflow.topology.reading import read_text

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: here}\ndata: {A: conf, B: conf, C: conf}\n"
SECRET = (
    "---\napiVersion: v1\nkind: Secret\nmetadata: {name: sec, namespace: here}\nstringData: {B: sec, C: sec, D: sec}\n"
)


def _declared(text: str) -> Declared:
    return Declared([Object.of(document) for document in read_text(text, "f.yaml")])


def _workload(container: str, *, spec: str = "", others: str = CONFIG + SECRET) -> Workload:
    """Read a Deployment with one container, given in flow style without its braces."""
    text = (
        f"{others}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: w, namespace: here}}\n"
        f"spec:\n  selector: {{matchLabels: {{app: w}}}}\n{spec}  template:\n    metadata: {{labels: {{app: w}}}}\n"
        f"    spec:\n      containers:\n        - {{name: c, image: 'i:1', {container}}}\n"
    )
    declared = _declared(text)
    return workloads.workload(next(declared.of_kind("Deployment")), declared)


def _container(container: str) -> Container:
    return _workload(container).containers[0]


def test_the_later_source_of_a_variable_wins() -> None:
    """`envFrom` from first to last, then `env`; a variable is a Secret's only if the Secret had the last word."""
    sources = "envFrom: [{configMapRef: {name: conf}}, {secretRef: {name: sec}}]"
    read = _container(f"{sources}, env: [{{name: C, value: own}}]")
    assert read.env == {"A": "conf", "B": "sec", "C": "own", "D": "sec"}
    assert read.from_secrets == {key: SecretKey("sec", key) for key in ("B", "D")}
    turned = _container("envFrom: [{secretRef: {name: sec}}, {configMapRef: {name: conf}}]")
    assert turned.env == {"A": "conf", "B": "conf", "C": "conf", "D": "sec"}
    assert turned.from_secrets == {"D": SecretKey("sec", "D")}


def test_the_pod_s_name_is_left_to_the_runtime() -> None:
    """`metadata.name` becomes a mark that the runtime replaces."""
    field = "{fieldRef: {fieldPath: metadata.name}}"
    assert _container(f"env: [{{name: A, valueFrom: {field}}}]").env == {"A": workloads.POD_NAME}


def test_what_is_not_said_has_kubernetes_defaults() -> None:
    """One replica, 30 s to stop, no probes, no limits."""
    read = _workload("ports: []")
    assert (read.replicas, read.stop_grace_s) == (1, 30)
    assert read.containers[0] == Container("c", "i:1", (), (), {}, {}, Resources())


def test_probes_of_each_kind() -> None:
    """Commands, HTTP by the port's name or number, gRPC; periods and thresholds as declared, else Kubernetes' own."""
    ports = "ports: [{name: web, containerPort: 80}, {containerPort: 81}]"
    read = _container(
        f"{ports}, startupProbe: {{exec: {{command: [a, b]}}, periodSeconds: 2, failureThreshold: 30}}, "
        "livenessProbe: {grpc: {port: 81, service: s}, initialDelaySeconds: 4, timeoutSeconds: 5}, "
        "readinessProbe: {httpGet: {port: web, path: /r}, successThreshold: 2}"
    )
    assert read.ports == {"web": 80, "81": 81}
    assert read.startup == Probe(ExecProbe(("a", "b")), period_s=2, failure_threshold=30)
    assert read.liveness == Probe(GrpcProbe(81, "s"), initial_delay_s=4, timeout_s=5)
    assert read.readiness == Probe(HttpProbe("/r", 80), success_threshold=2)


def test_resources_are_millicores_and_bytes() -> None:
    """Requests and limits in every spelling; what is not said is unknown."""
    read = _container("resources: {requests: {cpu: 0.25, memory: 1Gi}, limits: {cpu: 2}}")
    assert read.resources == Resources(cpu_request_m=250, cpu_limit_m=2000, memory_request=2**30)


def test_a_service_port_leads_where_it_says() -> None:
    """By name, by number, and to the same number where nothing is said."""
    ports = "[{port: 1, targetPort: web}, {port: 2, targetPort: 82}, {port: 3}]"
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: here}}\nspec: {{ports: {ports}}}\n"
    read = manifests.service(next(_declared(text).of_kind("Service")))
    assert read.ports == {1: "web", 2: 82, 3: 3}
    assert read.host == "s.here.svc.cluster.local"


KRAFT = "kafka.strimzi.io/v1"


def _pool(name: str, roles: str, replicas: int) -> str:
    labels = "labels: {strimzi.io/cluster: k}"
    return (
        f"---\napiVersion: {KRAFT}\nkind: KafkaNodePool\nmetadata: {{name: {name}, namespace: here, {labels}}}\n"
        f"spec: {{roles: [{roles}], replicas: {replicas}, resources: {{limits: {{cpu: {replicas}}}}}}}\n"
    )


def test_dedicated_controllers_are_counted_apart() -> None:
    """Three controllers and five brokers in pools of their own; the brokers' resources are those of a broker."""
    listener = "listeners: [{name: plain, port: 9092, type: internal, tls: false}]"
    text = (
        f"apiVersion: {KRAFT}\nkind: Kafka\nmetadata: {{name: k, namespace: here}}\n"
        f"spec: {{kafka: {{version: '4.3.1', {listener}, config: {{a.b: true, c: 0.5, d: text}}}}}}\n"
    )
    read = kafka.cluster(_declared(text + _pool("c", "controller", 3) + _pool("b", "broker", 5)))
    assert (read.brokers, read.controllers, read.zookeeper_nodes) == (5, 3, 0)
    assert read.config == {"a.b": "true", "c": "0.5", "d": "text"}
    assert read.broker_resources.cpu_limit_m == 5000

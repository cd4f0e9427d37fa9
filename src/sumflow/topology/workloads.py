"""Reads Deployments and StatefulSets: containers with their complete environment, ports and probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sumflow.topology import model, quantities
from sumflow.topology.declared import Declared, secret
from sumflow.topology.model import Container, Probe, Resources, SecretKey, Workload
from sumflow.topology.objects import Block, Object

POD_NAME = "$(POD_NAME)"
"""Stands in an environment for the name of the pod, which the runtime gives."""

DEFAULT_STOP_GRACE_S = 30


def workload(found: Object, declared: Declared) -> Workload:
    """Read a Deployment or a StatefulSet; raise ManifestError for references that lead nowhere."""
    spec = found.block("spec")
    template = spec.block("template")
    labels = template.block("metadata").mapping("labels")
    _selects_itself(spec, labels)
    pod = template.block("spec")
    containers = tuple(_container(block, found.namespace, declared) for block in pod.blocks("containers"))
    if not containers:
        raise pod.refuse("`containers` is empty")
    return Workload(
        kind=found.kind,
        name=found.name,
        namespace=found.namespace,
        replicas=spec.number("replicas", 1),
        labels=labels,
        containers=containers,
        stop_grace_s=pod.number("terminationGracePeriodSeconds", DEFAULT_STOP_GRACE_S),
        source=found.source,
    )


def resources(block: Block) -> Resources:
    """Read requests and limits; raise ManifestError for a quantity that is none."""
    requests, limits = block.maybe("requests"), block.maybe("limits")
    return Resources(
        cpu_request_m=_quantity(requests, "cpu", quantities.millicores),
        cpu_limit_m=_quantity(limits, "cpu", quantities.millicores),
        memory_request=_quantity(requests, "memory", quantities.size_bytes),
        memory_limit=_quantity(limits, "memory", quantities.size_bytes),
    )


def _quantity(block: Block, key: str, parse: Callable[[str], int]) -> int | None:
    found = block.get(key)
    if found is None:
        return None
    try:
        return parse(str(found.value))
    except ValueError as error:
        raise found.refuse(str(error)) from error


def _selects_itself(spec: Block, labels: Mapping[str, str]) -> None:
    selector = spec.block("selector")
    wanted = selector.mapping("matchLabels")
    if not wanted or not wanted.items() <= labels.items():
        raise selector.refuse("the selector does not match the labels of its own pods")


def _container(block: Block, namespace: str, declared: Declared) -> Container:
    ports = _ports(block)
    env, from_secrets = _environment(block, namespace, declared)
    return Container(
        name=block.text("name"),
        image=block.text("image"),
        command=block.texts("command"),
        args=block.texts("args"),
        env=env,
        ports=ports,
        resources=resources(block.maybe("resources")),
        startup=_probe(block, "startupProbe", ports),
        readiness=_probe(block, "readinessProbe", ports),
        liveness=_probe(block, "livenessProbe", ports),
        from_secrets=from_secrets,
    )


def _ports(block: Block) -> dict[str, int]:
    ports: dict[str, int] = {}
    for port in block.blocks("ports"):
        number = port.number("containerPort", least=1)
        name = port.text("name", str(number))
        if name in ports or number in ports.values():
            raise port.refuse(f"the port {name} is declared twice")
        ports[name] = number
    return ports


def _environment(block: Block, namespace: str, declared: Declared) -> tuple[dict[str, str], dict[str, SecretKey]]:
    """Resolve the variables in Kubernetes' order: `envFrom` from first to last, then `env`; the later one wins."""
    env: dict[str, str] = {}
    from_secrets: dict[str, SecretKey] = {}
    for source in block.blocks("envFrom"):
        values, name = _all_of(source, namespace, declared)
        env |= values
        from_secrets = {key: held for key, held in from_secrets.items() if key not in values}
        from_secrets |= {key: SecretKey(name, key) for key in values if name}
    for entry in block.blocks("env"):
        variable = entry.text("name")
        env[variable] = _literal(entry)
        from_secrets.pop(variable, None)
    return env, from_secrets


def _all_of(source: Block, namespace: str, declared: Declared) -> tuple[dict[str, str], str]:
    """Return a ConfigMap's or a Secret's values, and the Secret's name or nothing."""
    if "secretRef" in source:
        found = declared.referred("Secret", namespace, source.block("secretRef"))
        return dict(secret(found).values), found.name
    found = declared.referred("ConfigMap", namespace, source.block("configMapRef"))
    return found.mapping("data"), ""


def _literal(entry: Block) -> str:
    if "valueFrom" in entry:
        field_ref = entry.block("valueFrom").block("fieldRef")
        path = field_ref.text("fieldPath")
        if path != "metadata.name":
            remedy = "only `metadata.name` is known on one machine"
            raise field_ref.need("fieldPath").refuse(f"the pod's field `{path}` is not supported", remedy=remedy)
        return POD_NAME
    value = entry.text("value")
    if "$(" in value:
        raise entry.need("value").refuse(
            "references to other variables are not supported", remedy="write the value out"
        )
    return value


def _probe(block: Block, key: str, ports: Mapping[str, int]) -> Probe | None:
    if key not in block:
        return None
    probe = block.block(key)
    return Probe(
        check=_check(probe, ports),
        initial_delay_s=probe.number("initialDelaySeconds", 0),
        period_s=probe.number("periodSeconds", 10, least=1),
        timeout_s=probe.number("timeoutSeconds", 1, least=1),
        failure_threshold=probe.number("failureThreshold", 3, least=1),
        success_threshold=probe.number("successThreshold", 1, least=1),
    )


def _check(probe: Block, ports: Mapping[str, int]) -> model.ExecProbe | model.HttpProbe | model.GrpcProbe:
    kinds = [kind for kind in ("exec", "httpGet", "grpc") if kind in probe]
    if len(kinds) != 1:
        raise probe.refuse("a probe has exactly one of exec, httpGet and grpc")
    how = probe.block(kinds[0])
    if kinds[0] == "exec":
        return model.ExecProbe(how.texts("command"))
    port = _port(how, ports)
    if kinds[0] == "grpc":
        return model.GrpcProbe(port, how.text("service", ""))
    return model.HttpProbe(how.text("path", "/"), port)


def _port(how: Block, ports: Mapping[str, int]) -> int:
    found = how.need("port")
    if isinstance(found.value, str):
        if found.value not in ports:
            raise found.refuse(f"this container has no port named `{found.value}`")
        return ports[found.value]
    return how.number("port", least=1)

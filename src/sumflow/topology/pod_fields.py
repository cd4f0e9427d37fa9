"""The table of the fields of pods: Deployments and StatefulSets, their containers and probes."""

from __future__ import annotations

from sumflow.topology.rules import (
    DIRECTORIES,
    METADATA,
    NO_API,
    NO_LIMITS,
    NO_SCHEDULER,
    ONE_USER,
    Fields,
    below,
    honoured,
    ignored,
)

RESOURCES = ignored(NO_LIMITS, "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")

OUR_CHECKS = (
    honoured("GET is sent to the process's local port; 200 to 399 is healthy", "httpGet.path", "httpGet.port")
    | honoured("the local port must accept connections", "grpc.port")
    | ignored("the port is asked, not the service", "grpc.service")
)

POSTGRES_CHECKS = ignored("`pg_isready` is asked, as the declared user", "exec.command[]")

STARTUP = (
    honoured("their product is how long a start may take, a minute at least; then liveness decides", "periodSeconds")
    | honoured("see `periodSeconds`", "failureThreshold")
    | ignored("one good answer is enough", "successThreshold")
    | ignored("one machine asks at once, as a person waits", "initialDelaySeconds")
    | ignored("the readiness check's patience is used", "timeoutSeconds")
)

READINESS = (
    honoured("how often it is asked; after a bad answer every second", "periodSeconds")
    | honoured("so many bad answers in a row count", "failureThreshold")
    | ignored("one good answer is enough", "successThreshold")
    | ignored("one machine asks at once, as a person waits", "initialDelaySeconds")
    | honoured("how long an answer may take; PostgreSQL has 3 s", "timeoutSeconds")
)

LIVENESS = (
    honoured("how often it is asked, once the process has been ready", "periodSeconds")
    | honoured("so many bad answers in a row count", "failureThreshold")
    | ignored("one good answer is enough", "successThreshold")
    | honoured("the first question waits so long", "initialDelaySeconds")
    | ignored("the readiness check's patience is used", "timeoutSeconds")
)


def probes(checks: Fields) -> Fields:
    """Return the fields of a container's three probes, each of which may ask in these ways."""
    return (
        below("startupProbe.", ignored("a start is over when the readiness check passes", *checks) | STARTUP)
        | below("readinessProbe.", checks | READINESS)
        | below("livenessProbe.", checks | LIVENESS)
    )


CONTAINER = (
    honoured("the component's name, also in logs", "name")
    | ignored("programs come from package registries, locked and verified; there are no images", "imagePullPolicy")
    | honoured("mapped to local ports", "ports[].name", "ports[].containerPort")
    | ignored("TCP is all that is spoken here", "ports[].protocol")
    | honoured("the environment, before `env`", "envFrom[].configMapRef.name", "envFrom[].secretRef.name")
    | below("resources.", RESOURCES)
    | ignored(
        ONE_USER,
        "securityContext.allowPrivilegeEscalation",
        "securityContext.readOnlyRootFilesystem",
        "securityContext.capabilities.drop[]",
    )
    | ignored(DIRECTORIES, "volumeMounts[].name", "volumeMounts[].mountPath")
)

OUR_CONTAINER = (
    CONTAINER
    | probes(OUR_CHECKS)
    | honoured("SumFlow's own services are run, those of this installation", "image")
    | honoured("which service, and its arguments", "args[]")
    | honoured("the environment", "env[].name", "env[].value", "env[].valueFrom.fieldRef.fieldPath")
)

POSTGRES_CONTAINER = (
    CONTAINER
    | probes(POSTGRES_CHECKS)
    | honoured("PostgreSQL of this major version is run", "image")
    | ignored("`PGDATA` alone may be set; data are below the data directory here", "env[].name", "env[].value")
)

SPREAD = ignored(
    NO_SCHEDULER,
    "topologySpreadConstraints[].maxSkew",
    "topologySpreadConstraints[].topologyKey",
    "topologySpreadConstraints[].whenUnsatisfiable",
    "topologySpreadConstraints[].labelSelector.matchLabels.*",
)

POD = (
    ignored(
        "`sumflow down` ends everything within 10 s; each stage has its share of them", "terminationGracePeriodSeconds"
    )
    | ignored(
        "names are local ports here, and no name server is asked",
        "dnsConfig.options[].name",
        "dnsConfig.options[].value",
    )
    | ignored(NO_API, "serviceAccountName", "automountServiceAccountToken")
    | honoured("only what is declared reaches the environment", "enableServiceLinks")
    | ignored(
        ONE_USER,
        "securityContext.runAsNonRoot",
        "securityContext.runAsUser",
        "securityContext.runAsGroup",
        "securityContext.fsGroup",
        "securityContext.fsGroupChangePolicy",
        "securityContext.seccompProfile.type",
    )
    | SPREAD
    | ignored(
        DIRECTORIES,
        "volumes[].name",
        "volumes[].persistentVolumeClaim.claimName",
        "volumes[].emptyDir",
        "volumes[].emptyDir.sizeLimit",
    )
)

WORKLOAD = (
    METADATA
    | honoured("must match the template's labels", "spec.selector.matchLabels.*")
    | honoured("matched by Services' selectors", "spec.template.metadata.labels.*")
    | below("spec.template.spec.", POD)
)

DEPLOYMENT = (
    WORKLOAD
    | honoured("so many processes", "spec.replicas")
    | below("spec.template.spec.containers[].", OUR_CONTAINER)
    | ignored(
        "processes are stopped and started, not replaced while they serve",
        "spec.strategy.type",
        "spec.strategy.rollingUpdate.maxUnavailable",
        "spec.strategy.rollingUpdate.maxSurge",
    )
)

STATEFUL_SET = (
    WORKLOAD
    | honoured("1 is required; a second PostgreSQL would hold other data", "spec.replicas")
    | honoured("the Service whose DNS name leads to it", "spec.serviceName")
    | below("spec.template.spec.containers[].", POSTGRES_CONTAINER)
)

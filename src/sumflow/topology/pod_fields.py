"""The table of the fields of pods: Deployments and StatefulSets, their containers and probes. Data only."""

from __future__ import annotations

from sumflow.topology.rules import (
    DIRECTORIES,
    METADATA,
    NO_API,
    NO_LIMITS,
    NO_SCHEDULER,
    ONE_USER,
    below,
    honoured,
    ignored,
)

RESOURCES = ignored(NO_LIMITS, "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")

CHECKS = (
    honoured("PostgreSQL is asked whether it accepts the declared user, as `pg_isready` does", "exec.command[]")
    | honoured("GET is sent to the process's local port; 200 to 399 is healthy", "httpGet.path", "httpGet.port")
    | honoured("the local port must accept connections", "grpc.port")
    | ignored("the port is asked, not the service", "grpc.service")
    | ignored("one good answer is enough", "successThreshold")
)

TIMING = honoured("how often it is asked, and how many bad answers in a row count", "periodSeconds", "failureThreshold")

STARTUP = (
    below("startupProbe.", CHECKS)
    | honoured("their product is how long a start may take, a minute at least", "startupProbe.periodSeconds")
    | honoured("see `periodSeconds`", "startupProbe.failureThreshold")
    | ignored("one machine asks at once, as a person waits", "startupProbe.initialDelaySeconds")
    | ignored("the readiness check's patience is used", "startupProbe.timeoutSeconds")
)

READINESS = (
    below("readinessProbe.", CHECKS | TIMING)
    | honoured("how long an answer may take; PostgreSQL has 3 s", "readinessProbe.timeoutSeconds")
    | ignored("one machine asks at once, as a person waits", "readinessProbe.initialDelaySeconds")
)

LIVENESS = (
    below("livenessProbe.", CHECKS | TIMING)
    | honoured("the first question waits so long", "livenessProbe.initialDelaySeconds")
    | ignored("the readiness check's patience is used", "livenessProbe.timeoutSeconds")
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
    | STARTUP
    | READINESS
    | LIVENESS
)

OUR_CONTAINER = (
    CONTAINER
    | honoured("SumFlow's own services are run, those of this installation", "image")
    | honoured("which service, and its arguments", "args[]")
    | honoured("the environment", "env[].name", "env[].value", "env[].valueFrom.fieldRef.fieldPath")
)

POSTGRES_CONTAINER = (
    CONTAINER
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

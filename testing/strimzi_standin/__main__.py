"""Starts the operator that the container's arguments name, from the environment of the real operator's Deployment."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping

from testing.strimzi_standin import health
from testing.strimzi_standin.cluster_operator import WATCHED, ClusterOperator, Release
from testing.strimzi_standin.kube import Kube, lines
from testing.strimzi_standin.loop import Loop
from testing.strimzi_standin.topic_operator import TopicOperator

log = logging.getLogger("standin")
UNPARSABLE_FROM = 33
"""The minor version of Kubernetes whose /version answer operators before 0.46 cannot parse."""


def _kube(environ: Mapping[str, str], kafka_api: str) -> Kube:
    server = f"https://{environ['KUBERNETES_SERVICE_HOST']}:{environ['KUBERNETES_SERVICE_PORT']}"
    return Kube(environ["STRIMZI_NAMESPACE"], kafka_api, server)


def _run(loop: Loop, operator: ClusterOperator | TopicOperator) -> None:
    signal.signal(signal.SIGTERM, lambda *_: loop.end())
    loop.run(operator.reconcile)


def cluster_operator(environ: Mapping[str, str]) -> None:
    """Run in place of the cluster operator."""
    image = environ["STRIMZI_DEFAULT_TOPIC_OPERATOR_IMAGE"]
    version = image.rpartition(":")[2]
    old = version.startswith("0.")
    kube = _kube(environ, f"kafka.strimzi.io/{'v1beta2' if old else 'v1'}")
    if old and kube.server_minor() >= UNPARSABLE_FROM and "STRIMZI_KUBERNETES_VERSION" not in environ:
        log.error('Unrecognized field "emulationMajor" (class io.fabric8.kubernetes.client.VersionInfo)')
        raise SystemExit(1)
    release = Release(version, image, dict(lines(environ["STRIMZI_KAFKA_IMAGES"])))
    health.serve(8080)
    _run(Loop(kube, WATCHED), ClusterOperator(kube, release))


def topic_operator(environ: Mapping[str, str]) -> None:
    """Run in place of the topic operator."""
    kube, labels = _kube(environ, environ["STANDIN_API_VERSION"]), environ["STRIMZI_RESOURCE_LABELS"]
    health.serve(int(environ["STANDIN_HEALTH_PORT"]))
    operator = TopicOperator(kube, labels, environ["STRIMZI_KAFKA_BOOTSTRAP_SERVERS"])
    _run(Loop(kube, ("KafkaTopic",), labels), operator)


def user_operator(environ: Mapping[str, str]) -> None:
    """Run in place of the user operator: it answers its probes, KafkaUsers are not realised."""
    health.serve(int(environ["STANDIN_HEALTH_PORT"]))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


ROLES = {"cluster-operator": cluster_operator, "topic-operator": topic_operator, "user-operator": user_operator}

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ROLES[sys.argv[1]](os.environ)

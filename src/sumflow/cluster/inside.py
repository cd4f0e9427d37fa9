"""What is asked from inside the cluster, with the tools that are in its pods: names, databases, topics, messages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sumflow.audit.facts import Extent
from sumflow.cluster.client import Cluster
from sumflow.cluster.streams import Outcome, Pod, execute
from sumflow.errors import SumflowError
from sumflow.settings import Address

KAFKA_BIN: Final = "/opt/kafka/bin"
ZOOKEEPER_LOCAL_PORT: Final = 12181
"""Strimzi's ZooKeeper answers four-letter words on this port of its own pod; its other ports are TLS."""

PROGRAM_WITHIN_S: Final = 50
"""How long one of Kafka's programs may take in a broker's pod: each is a JVM that shares the broker's CPU, and needs
more than 10 s to start and answer where that is short."""

_CONNECT_TIMEOUT_S: Final = 3
_ECHO_WITHIN_S: Final = 45
_LOGGED: Final = re.compile(r"\b(TRACE|DEBUG|INFO|WARN)\b")
_PLACE: Final = re.compile(r"Partition:(\d+)\s+Offset:(\d+)")

_ASK_ZOOKEEPER: Final = f"exec 3<>/dev/tcp/127.0.0.1/{ZOOKEEPER_LOCAL_PORT} && printf srvr >&3 && timeout 3 cat <&3"

REACH: Final = f"""
while read -r host port; do
  ( said=$(timeout {_CONNECT_TIMEOUT_S} bash -c "exec 3<>/dev/tcp/$host/$port" 2>&1) && echo "$host $port" ||
    {{ : "${{said:=no answer within {_CONNECT_TIMEOUT_S} s}}"; echo "$host $port ${{said%%$'\\n'*}}"; }} ) &
done
wait
"""
"""Reads `host port` lines and answers each with the same, then what stood in the way, if anything did: the first line
that bash says of it, for the next ones only say that it therefore failed. All at once: many silent names take no longer
than one."""

# Consumer and producer start side by side, because each is a JVM. A consumer at the end of the topic sees only what
# comes after its start, so the same marked message is sent once a second until it came back.
_ECHO: Final = """
exec 3< <({bin}/kafka-console-consumer.sh --bootstrap-server {bootstrap} --topic {topic} \\
  --property print.partition=true --property print.offset=true 2>/dev/null); consumer=$!
exec 4> >({bin}/kafka-console-producer.sh --bootstrap-server {bootstrap} --topic {topic} \\
  --property parse.headers=true >/dev/null 2>&1); producer=$!
trap 'kill $consumer $producer 2>/dev/null' EXIT
IFS= read -r value
for _ in $(seq {seconds}); do
  printf '{header}:1\\t%s\\n' "$value" >&4
  while IFS= read -r -t 1 line <&3; do
    case "$line" in *"$value") printf '%s\\n' "$line"; exit 0;; esac
  done
done
exit 1
"""


def ask_zookeeper(cluster: Cluster, pod: Pod) -> str:
    """Return a ZooKeeper node's answer to `srvr`; empty if it does not answer."""
    try:
        return execute(cluster, pod, ["bash", "-c", _ASK_ZOOKEEPER], within_s=8).output
    except SumflowError:
        return ""


def reach(cluster: Cluster, pod: Pod, addresses: Iterable[Address]) -> Mapping[Address, str | None]:
    """Resolve and connect to addresses from inside a pod; return for each why it is impossible, or None."""
    wanted = list(addresses)
    given = "".join(f"{each.host} {each.port}\n" for each in wanted)
    outcome = execute(cluster, pod, ["timeout", "15", "bash", "-c", f"head -n {len(wanted)} | ({REACH})"], given=given)
    problems = parse_reach(outcome.output)
    return {each: problems.get(each, "it was not tried") for each in wanted}


def parse_reach(output: str) -> dict[Address, str | None]:
    """Read the answers of `reach`; bash names its own file and line before the reason."""
    found: dict[Address, str | None] = {}
    for line in output.splitlines():
        host, port, *said = line.split(maxsplit=2)
        found[Address(host, int(port))] = said[0].rpartition(": ")[2] if said else None
    return found


def echo(cluster: Cluster, pod: Pod, bootstrap: str, topic: str, header: str, value: str) -> tuple[int, int]:
    """Produce a marked message and consume it again, with Kafka's own programs; return its partition and offset.

    Raises:
        SumflowError: it did not come back.
    """
    script = _ECHO.format(
        bin=KAFKA_BIN, bootstrap=bootstrap, topic=shlex.quote(topic), header=header, seconds=_ECHO_WITHIN_S
    )
    outcome = execute(cluster, pod, ["bash", "-c", script], given=f"{value}\n", within_s=PROGRAM_WITHIN_S)
    match = _PLACE.search(outcome.output)
    if match is None:
        why = outcome.errors.strip() or f"produced in {pod}, and not consumed again within {_ECHO_WITHIN_S} s"
        raise SumflowError(f"no test message came back from {topic}", why=why)
    return int(match[1]), int(match[2])


def describe_topic(cluster: Cluster, pod: Pod, bootstrap: str, topic: str) -> str:
    """Return what `kafka-topics.sh --describe` prints; raise SumflowError if there is no such topic."""
    command = [f"{KAFKA_BIN}/kafka-topics.sh", "--bootstrap-server", bootstrap, "--describe", "--topic", topic]
    outcome = execute(cluster, pod, command, within_s=PROGRAM_WITHIN_S)
    if outcome.code:
        raise SumflowError(f"the topic {topic} cannot be described", why=complaint(outcome))
    return outcome.output


def complaint(outcome: Outcome) -> str:
    """Return what one of Kafka's programs complains of: its first line that is no entry of a log."""
    lines = [*outcome.output.splitlines(), *outcome.errors.splitlines()]
    said = [line for line in lines if line.strip() and not _LOGGED.search(line)]
    return said[0] if said else "it did not answer"


def extents(cluster: Cluster, pod: Pod, bootstrap: str, topic: str) -> dict[int, Extent]:
    """Return what a topic's partitions hold; raise SumflowError if the brokers do not say."""
    program = f"{KAFKA_BIN}/kafka-get-offsets.sh --bootstrap-server {bootstrap} --topic {shlex.quote(topic)} --time"
    outcome = execute(
        cluster, pod, ["bash", "-c", f"{program} earliest && echo && {program} latest"], within_s=PROGRAM_WITHIN_S
    )
    if outcome.code:
        raise SumflowError(f"the offsets of {topic} are not to be had", why=complaint(outcome))
    return parse_extents(outcome.output)


def parse_extents(output: str) -> dict[int, Extent]:
    """Read two lists of `topic:partition:offset`, an empty line between: where partitions begin, where they end."""
    earliest, _, latest = output.partition("\n\n")
    firsts, ends = (
        {int(partition): int(offset) for _, partition, offset in (line.split(":") for line in lines.split())}
        for lines in (earliest, latest)
    )
    return {partition: Extent(first, ends[partition]) for partition, first in firsts.items()}


def psql(
    cluster: Cluster,
    pod: Pod,
    where: Sequence[str],
    password: str,
    sql: str,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run SQL with psql in a database's pod; passwords travel by standard input, where no process list shows them.

    Args:
        where: psql's options for server, user and database.
        variables: psql variables, for the SQL.
    """
    reading = "IFS= read -r PGPASSWORD; export PGPASSWORD; "
    script = f"{reading}exec psql -X -q -tA -F '|' -v ON_ERROR_STOP=1 {shlex.join(where)}"
    lines = [password, *(f"\\set {name} '{value}'" for name, value in (variables or {}).items()), sql, "\\q", ""]
    return execute(cluster, pod, ["sh", "-c", script], given="\n".join(lines), within_s=15)

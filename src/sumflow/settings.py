"""The only reader of the environment: what each process was told, as typed values.

The names are those of the manifests in `k8s/services`: one declaration drives a container and a local process alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import platformdirs

from sumflow.errors import UsageError


class Address(msgspec.Struct, frozen=True):
    """A host and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `host:port`; raise ValueError if it is not of that form."""
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isdecimal() and int(port) < 65536):
            raise ValueError(f"{text!r} is not host:port")
        return cls(host, int(port))


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """What every service process has: its PostgreSQL, its name, its health and metrics port, its environment's name.

    The PostgreSQL variables but the address are those of the postgres image's Secret.
    """

    postgres_address: Address
    postgres_user: str
    postgres_password: str
    postgres_db: str
    metrics_listen: Address
    instance: str
    """Unique among the living processes of a service: the pod's name."""
    environment: str = "development"
    log_level: str = "info"


class AdderSettings(ServiceSettings, frozen=True, kw_only=True, rename="upper"):
    """Settings of the adder."""

    grpc_listen: Address
    adder_max_pending: int = 20_000
    """Additions that may wait for a commit; beyond it callers get RESOURCE_EXHAUSTED."""
    adder_max_connections: int = 200
    """Connections of clients at once; the next is closed."""
    adder_max_streams: int = 64
    """Streams of batches that may be open at once; beyond it callers get RESOURCE_EXHAUSTED."""
    adder_commit_timeout_s: float = 5.0


class RelaySettings(ServiceSettings, frozen=True, kw_only=True, rename="upper"):
    """Settings of the relay."""

    kafka_bootstrap_servers: str
    kafka_topic: str = "sums"
    relay_adoption_interval_s: float = 1.0
    """How often a relay looks for lanes that nobody publishes; also the safety net behind LISTEN/NOTIFY."""
    outbox_retention_days: int = 7
    """Published events are kept this long for audit and rebuild, then dropped by the day."""


class TotalizerSettings(ServiceSettings, frozen=True, kw_only=True, rename="upper"):
    """Settings of the totalizer."""

    http_listen: Address
    kafka_bootstrap_servers: str
    kafka_topic: str = "sums"
    kafka_dead_letter_topic: str = ""
    """Copies of undecodable records go here as well as to the dead-letter table; empty: the table alone."""
    kafka_group: str = "totalizer-group"
    kafka_group_instance: str = ""
    """The name by which a process that was killed is known to the group when it is back; empty: it is a new member."""
    totalizer_batch: int = 10_000
    """Records at most in one transaction."""
    processed_events_retention_days: int = 30


class CommandSettings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """What the command line takes from the environment; options come first."""

    sumflow_data_dir: Path | None = None
    sumflow_cache_dir: Path | None = None
    sumflow_java: Path | None = None
    java_home: Path | None = None
    no_color: str = ""
    term: str = ""
    """The terminal's kind; `dumb` cannot move its cursor."""

    @property
    def data_dir(self) -> Path:
        """The directory that holds one running system: state, secrets, logs and data."""
        return self.sumflow_data_dir or default_data_dir()

    @property
    def cache_dir(self) -> Path:
        """The directory of downloads shared by all systems of this user."""
        return self.sumflow_cache_dir or platformdirs.user_cache_path("sumflow")


def default_data_dir() -> Path:
    """Return the data directory that is used when nothing is said."""
    return platformdirs.user_data_path("sumflow")


S = TypeVar("S", bound=msgspec.Struct)


def load(kind: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """Read the settings of one process; raise UsageError naming the variable that is missing or wrong."""
    try:
        given = {
            field.encode_name: _typed(field, environ[field.encode_name])
            for field in msgspec.structs.fields(kind)
            if field.encode_name in environ
        }
        return msgspec.convert(given, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(
            f"the environment of this process is incomplete or wrong: {error}",
            remedy="services get their environment from `k8s/services`; `sumflow up` and `sumflow deploy` set it",
        ) from error


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child process: what any program needs of ours, and what it was declared."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict(extra)


def quieten_grpc() -> None:
    """Keep gRPC's core from printing lines of its own form for what clients do wrong; before gRPC is imported."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _typed(field: msgspec.structs.FieldInfo, text: str) -> object:
    """Turn a text into what msgspec cannot make of it by itself; raise ValueError naming the variable."""
    if field.type is Address:
        try:
            return Address.parse(text)
        except ValueError as error:
            raise ValueError(f"{field.encode_name}: {error}") from error
    return Path(text) if field.type == Path | None else text

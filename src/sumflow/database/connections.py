"""How every session reaches PostgreSQL: one place for the limits that turn a dead server into an error."""

from __future__ import annotations

from typing import Any, Final

from psycopg.conninfo import make_conninfo

from sumflow.settings import ServiceSettings

CONNECT_TIMEOUT_S: Final = 5
_SILENT_PEER: Final[dict[str, Any]] = {
    # A peer that vanished without closing (a node that lost power) is noticed in about ten seconds instead of hours.
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SILENT_CLIENT: Final = {
    # The other direction, said to the server: the session of a client that vanished ends as soon, and with it its locks
    # (a lane of an adder on a lost node is adopted within seconds, not after the two hours that are the default).
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


def conninfo(settings: ServiceSettings, application: str, **parameters: str) -> str:
    """Return libpq's connection string.

    Args:
        settings: where the server is, and as whom to speak to it.
        application: the name that pg_stat_activity shows for this session.
        parameters: server settings of the session, as `synchronous_commit="off"`.
    """
    options = " ".join(f"-c {name}={value}" for name, value in (_SILENT_CLIENT | parameters).items())
    return make_conninfo(
        host=settings.postgres_address.host,
        port=settings.postgres_address.port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        dbname=settings.postgres_db,
        application_name=application,
        connect_timeout=CONNECT_TIMEOUT_S,
        options=options,
        **_SILENT_PEER,
    )

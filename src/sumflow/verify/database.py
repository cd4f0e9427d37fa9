"""Reaches the declared PostgreSQL servers: who and what each is, and how an audit logs in."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from sumflow.database.queries import queries
from sumflow.settings import Address
from sumflow.topology.model import Database, Topology
from sumflow.verify.check import CheckFailedError
from sumflow.verify.target import Session

_CONNECT_TIMEOUT_S: Final = 5


def pair(topology: Topology) -> tuple[Database, Database]:
    """Return the adder's and the totalizer's database."""
    by_name = {each.name: each for each in topology.databases}
    return by_name["adder-postgres"], by_name["totalizer-postgres"]


def login(address: Address, password: str, user: str, database: str, *, within_s: int = _CONNECT_TIMEOUT_S) -> str:
    """Return the connection string of a session; `within_s` is the time for its start."""
    return make_conninfo(
        host=address.host,
        port=address.port,
        user=user,
        password=password,
        dbname=database,
        connect_timeout=within_s,
    )


def session(address: Address, user: str, password: str, database: str) -> Session:
    """Connect and ask; raise CheckFailedError if the server refuses or is not there."""
    try:
        with psycopg.connect(
            host=address.host,
            port=address.port,
            user=user,
            password=password,
            dbname=database,
            connect_timeout=_CONNECT_TIMEOUT_S,
        ) as connection:
            row = connection.execute(queries("sumflow.verify").identity.encode()).fetchone()
    except psycopg.OperationalError as error:
        *_, why = ["", *str(error).strip().splitlines()]
        raise CheckFailedError(f"{database} at {address} refuses the user {user}", why=why) from error
    if row is None:
        raise CheckFailedError(f"{database} at {address} answers a SELECT with nothing")
    return Session(*map(str, row))

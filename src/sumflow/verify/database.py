"""Asks a PostgreSQL server who and what it is, as a given user."""

from __future__ import annotations

from typing import Final

import psycopg

from sumflow.database.queries import queries
from sumflow.settings import Address
from sumflow.verify.check import CheckFailedError
from sumflow.verify.target import Session

_CONNECT_TIMEOUT_S: Final = 5


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

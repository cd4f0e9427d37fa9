"""What adder and totalizer share about PostgreSQL: how to reach it, how a schema comes to be, where queries live."""

from sumflow.database.arrays import array_of_numbers, array_of_texts
from sumflow.database.backoff import Backoff
from sumflow.database.connections import conninfo
from sumflow.database.migrations import NewerSchemaError, SchemaBusyError, migrate, newest_migration, refuse_newer
from sumflow.database.queries import Queries, queries

__all__ = [
    "Backoff",
    "NewerSchemaError",
    "Queries",
    "SchemaBusyError",
    "array_of_numbers",
    "array_of_texts",
    "conninfo",
    "migrate",
    "newest_migration",
    "queries",
    "refuse_newer",
]

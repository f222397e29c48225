"""What the groups of tables share: running statements on the connection of one transaction.

What every tick asks is a ``Prepared`` statement: to build one takes longer than to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.dialects import postgresql, sqlite

from ctrain.store.database import SAVEPOINTS
from ctrain.store.prepared import Prepared

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from sqlalchemy import Connection, Select, Table
    from sqlalchemy.sql.dml import Delete, Insert, Update

_INSERT: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""ON CONFLICT is spelled alike by both databases, but SQLAlchemy builds it by dialect."""

Row = Mapping[str, Any]
"""What was found, by the names of the columns."""


class TableAccess:
    """Base of the mixins of a transaction; holds its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _first(self, query: Select[Any] | Prepared, **values: object) -> Row | None:
        if isinstance(query, Prepared):
            return next(iter(query.rows(self._connection, values)), None)
        return cast("Row | None", self._connection.execute(query, values).mappings().first())

    def _all(self, query: Select[Any] | Prepared, **values: object) -> Sequence[Row]:
        if isinstance(query, Prepared):
            return query.rows(self._connection, values)
        return cast("Sequence[Row]", self._connection.execute(query, values).mappings().all())

    def _changed(self, statement: Insert | Update | Delete, **values: object) -> int:
        """Run the statement; return how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def _insert(self, table: Table, values: Mapping[str, object]) -> int:
        """Insert one row; return the number the database gave it, 0 when it gives none."""
        key = self._connection.execute(_inserting(table), values).inserted_primary_key
        return key[0] if key is not None and isinstance(key[0], int) else 0

    def _attempt(self) -> AbstractContextManager[object]:
        """Around a statement that may be refused, after which the transaction is to go on."""
        savepoints = self._connection.get_execution_options().get(SAVEPOINTS)
        return self._connection.begin_nested() if savepoints else nullcontext()

    def _insert_once(self, table: Table, values: Mapping[str, object]) -> bool:
        """Insert the row unless its key exists; True when it was inserted."""
        statement = _inserting_once(table, self._connection.dialect.name)
        return self._connection.execute(statement, values).rowcount == 1

    def _insert_new(self, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert the rows whose key does not exist; return how many that were."""
        return _prepared_once(table, self._connection.dialect.name).run(self._connection, rows)

    def _put_all(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert the rows of all columns, or replace those with the same primary keys."""
        _putting(table, self._connection.dialect.name).run(self._connection, rows)

    def _put(self, table: Table, values: Mapping[str, object]) -> None:
        """Insert the row of all columns, or replace the one with the same primary key."""
        self._put_all(table, [values])


@cache
def _inserting(table: Table) -> Insert:
    return table.insert()


@cache
def _inserting_once(table: Table, dialect: str) -> Insert:
    return _INSERT[dialect](table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@cache
def _prepared_once(table: Table, dialect: str) -> Prepared:
    return Prepared(_inserting_once(table, dialect))


@cache
def _putting(table: Table, dialect: str) -> Prepared:
    insert = _INSERT[dialect](table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    return Prepared(insert.on_conflict_do_update(index_elements=keys, set_=rest))


def values_of(item: DataclassInstance, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass by name, one level deep."""
    skipped = set(leave_out)
    return {field.name: getattr(item, field.name) for field in fields(item) if field.name not in skipped}

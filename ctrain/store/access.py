"""What the groups of tables share: running statements on the connection of one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from sqlalchemy import Connection, RowMapping, Select, Table
    from sqlalchemy.sql.dml import Delete, Insert, Update

_INSERT: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""ON CONFLICT is spelled alike by both databases, but SQLAlchemy builds it by dialect."""


class TableAccess:
    """Base of the mixins of a transaction; holds its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _first(self, query: Select[Any]) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()

    def _all(self, query: Select[Any]) -> Sequence[RowMapping]:
        return self._connection.execute(query).mappings().all()

    def _changed(self, statement: Insert | Update | Delete) -> int:
        """Run the statement; return how many rows it changed."""
        return self._connection.execute(statement).rowcount

    def _insert(self, table: Table, values: Mapping[str, object]) -> int:
        """Insert one row; return the number the database gave it, 0 when it gives none."""
        key = self._connection.execute(table.insert(), values).inserted_primary_key
        return key[0] if key is not None and isinstance(key[0], int) else 0

    def _insert_once(self, table: Table, values: Mapping[str, object]) -> bool:
        """Insert the row unless its key exists; True when it was inserted."""
        statement = _INSERT[self._connection.dialect.name](table).values(**values).on_conflict_do_nothing()
        return self._connection.execute(statement).rowcount == 1

    def _put(self, table: Table, values: Mapping[str, object]) -> None:
        """Insert the row, or replace the one with the same primary key."""
        keys = [column.name for column in table.primary_key]
        insert = _INSERT[self._connection.dialect.name](table).values(**values)
        rest = {name: insert.excluded[name] for name in values if name not in keys}
        self._connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest))


def values_of(item: DataclassInstance, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass by name, one level deep."""
    skipped = set(leave_out)
    return {field.name: getattr(item, field.name) for field in fields(item) if field.name not in skipped}

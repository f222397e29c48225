"""Statements that every round runs: compiled once, and given to the driver as they are.

SQLAlchemy takes ten times as long to find out that it has compiled a statement before as SQLite takes to run
it. What a statement says, the types of its values and what its errors mean are SQLAlchemy's all the same;
whoever listens to statements hears of these, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect
    from sqlalchemy.sql.dml import Insert, Update

Process = Callable[[Any], Any] | None
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in the words of one dialect."""

    text: str
    defaults: Mapping[str, Any]
    """Values that the statement brings along."""
    order: Sequence[str] | None
    """Names of the values by their place; None where the driver takes names."""
    binding: Mapping[str, Process]
    names: Sequence[str]
    reading: Sequence[Process]

    def bound(self, values: Values) -> Any:
        """The values as the driver takes them."""
        given = {**self.defaults, **values}
        made = {
            name: given[name] if process is None else process(given[name])
            for name, process in self.binding.items()
        }
        return made if self.order is None else tuple(made[name] for name in self.order)

    def row(self, found: Sequence[Any]) -> dict[str, Any]:
        return {
            name: value if process is None else process(value)
            for name, process, value in zip(self.names, self.reading, found, strict=True)
        }


class Prepared:
    """A statement with ``bindparam`` for its values, or one that inserts whole rows.

    It has the same words each time: nothing is expanded, as lists of IN are.
    """

    def __init__(self, statement: Select[Any] | Insert | Update) -> None:
        self._statement = statement
        self._compiled: WeakKeyDictionary[Dialect, _Compiled] = WeakKeyDictionary()

    def rows(self, connection: Connection, values: Values) -> list[dict[str, Any]]:
        """What a query finds, a row by the names of its columns."""
        if _is_heard(connection):
            return [dict(row) for row in connection.execute(self._statement, values).mappings()]
        compiled = self._for(connection.dialect)
        cursor = self._run(connection, compiled, compiled.bound(values), many=False)
        try:
            return [compiled.row(found) for found in cursor.fetchall()]
        finally:
            cursor.close()

    def run(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run the statement with each of these values, one at least; return how many rows it changed."""
        if _is_heard(connection):
            statement = self._statement.execution_options(preserve_rowcount=True)
            return connection.execute(statement, rows if len(rows) > 1 else rows[0]).rowcount
        compiled = self._for(connection.dialect)
        bound = [compiled.bound(row) for row in rows]
        cursor = self._run(connection, compiled, bound if len(bound) > 1 else bound[0], many=len(bound) > 1)
        changed = int(cursor.rowcount)
        cursor.close()
        return changed

    def _run(self, connection: Connection, compiled: _Compiled, bound: Any, *, many: bool) -> Any:
        cursor = connection.connection.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(compiled.text, bound)
        except Exception as error:  # noqa: BLE001  # whatever the driver says is translated as it always is
            cursor.close()
            connection._handle_dbapi_exception(error, compiled.text, bound, cursor, None)
        return cursor

    def _for(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect)
        if found is None:
            found = self._compiled[dialect] = self._compile(dialect)
        return found

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled: Any = self._statement.compile(dialect=dialect)
        binding = {
            name: bound.type.dialect_impl(dialect).bind_processor(dialect)
            for bound, name in compiled.bind_names.items()
        }
        columns = list(self._statement.selected_columns) if isinstance(self._statement, Select) else []
        return _Compiled(
            text=str(compiled),
            defaults={name: value for name, value in compiled.params.items() if value is not None},
            order=compiled.positiontup if compiled.positional else None,
            binding=binding,
            names=[str(column.key) for column in columns],
            reading=[column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns],
        )


def _is_heard(connection: Connection) -> bool:
    """Whether somebody listens to statements."""
    return bool(connection.dispatch.before_cursor_execute)

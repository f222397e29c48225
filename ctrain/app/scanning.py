"""Reading files of a table column by column or batch by batch, in the memory of a few batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from ctrain.app.forking import in_forks
from ctrain.errors import InputError
from ctrain.sources.formats import format_of
from ctrain.sources.tables import read_batches, table_files
from ctrain.stats.lattice import BLOCK, Scratch

MANY_VALUES = 64_000_000
"""From so many on columns are shared among processes; fewer take half a second, and less CPU alone."""
_NUMBERS_TOGETHER = 1 << 18
"""Rows of a column of fixed width that are decoded at a time; of others, a block."""

_R = TypeVar("_R")


class Consumer(Protocol):
    """What takes the values of a column as they come."""

    def add(self, table: pa.Table, /) -> None:
        """Take the next rows."""

    def skip(self, rows: int, /) -> None:
        """Take rows of a file that lacks the column."""


_C = TypeVar("_C", bound=Consumer)


@dataclass(frozen=True)
class TableFiles:
    """Files that make one table, in order."""

    paths: tuple[Path, ...]

    @classmethod
    def find(cls, paths: Sequence[Path]) -> TableFiles:
        """Return the files, and those of folders; raises InputError when there is none."""
        return cls(tuple(file for path in paths for file in table_files(path)))

    @cached_property
    def schema(self) -> pa.Schema:
        """All columns of all files; raises InputError when their types do not go together."""
        schemas = [_schema(path) for path in self.paths]
        for path, schema in zip(self.paths, schemas, strict=True):
            twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
            if twice:
                raise InputError(f"{path}: more than one column {twice[0]!r}")
        try:
            return pa.unify_schemas(schemas, promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(f"{self.paths[0]} and other files have different types: {error}") from error

    @cached_property
    def rows(self) -> int:
        """Rows of all files; texts are read for it."""
        return sum(_rows(path) for path in self.paths)

    def read(self, most_rows: int | None = None) -> pa.Table | None:
        """Return all rows as one table, None when there are more than ``most_rows``."""
        if most_rows is not None and all(map(_is_parquet, self.paths)) and self.rows > most_rows:
            return None
        batches: list[pa.RecordBatch] = []
        rows = 0
        for path in self.paths:
            for batch in read_batches(path):
                batches.append(batch)
                rows += batch.num_rows
                if most_rows is not None and rows > most_rows:
                    return None
        try:
            tables = [self.schema.empty_table(), *(pa.Table.from_batches([batch]) for batch in batches)]
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(f"{self.paths[0]} and other files have different types: {error}") from error

    def consume(
        self,
        columns: Sequence[str],
        start: Callable[[str, Scratch], _C],
        finish: Callable[[str, _C], _R],
        dictionaries: Collection[str] = (),
    ) -> dict[str, _R]:
        """Return for each column what ``finish`` makes of the consumer that saw all its values.

        Parquet is read one column at a time, large files by several processes, so that what ``finish``
        returns must be picklable; ``dictionaries`` are columns of strings to be read as dictionaries.
        Other files are read once, all columns together.
        """
        if all(map(_is_parquet, self.paths)):
            return self._by_column(columns, start, finish, dictionaries)
        scratch = Scratch()
        consumers = {name: start(name, scratch) for name in columns}
        for path in self.paths:
            for batch in read_batches(path):
                _feed(pa.Table.from_batches([batch]), consumers)
        return {name: finish(name, consumer) for name, consumer in consumers.items()}

    def _by_column(
        self,
        columns: Sequence[str],
        start: Callable[[str, Scratch], _C],
        finish: Callable[[str, _C], _R],
        dictionaries: Collection[str],
    ) -> dict[str, _R]:
        footers = {path: _footer(path) for path in self.paths}
        rows = sum(footer.num_rows for footer in footers.values())
        strings = {one.name for one in self.schema if pa.types.is_string(one.type)}
        reader = _ColumnReader(footers, strings.intersection(dictionaries))

        def consume(name: str) -> _R:
            consumer = start(name, reader.scratch)
            for path in self.paths:
                reader.feed(path, name, consumer)
            return finish(name, consumer)

        many = rows * len(columns) >= MANY_VALUES
        results = in_forks(consume, columns) if many else map(consume, columns)
        return dict(zip(columns, results, strict=True))


@dataclass
class _ColumnReader:
    """Parquet files, opened when their first column is read."""

    footers: dict[Path, Any]
    dictionaries: set[str]
    """Columns of strings that are read as dictionaries."""
    scratch: Scratch = field(default_factory=Scratch)
    _open: dict[tuple[Path, str], Any] = field(default_factory=dict)

    def feed(self, path: Path, name: str, consumer: Consumer) -> None:
        """Give a consumer one column of one file, batch by batch."""
        stored = self._types[path].get(name)
        if stored is None:
            consumer.skip(self.footers[path].num_rows)
            return
        rows = _NUMBERS_TOGETHER if pa.types.is_primitive(stored) else BLOCK
        try:
            file = self._file(path, name if name in self.dictionaries else "")
            for batch in file.iter_batches(rows, columns=[name], use_threads=False):
                consumer.add(pa.Table.from_batches([batch]))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: cannot be read as parquet: {error}") from error

    @cached_property
    def _types(self) -> dict[Path, dict[str, pa.DataType]]:
        schemas = {path: footer.schema.to_arrow_schema() for path, footer in self.footers.items()}
        return {path: dict(zip(schema.names, schema.types, strict=True)) for path, schema in schemas.items()}

    def _file(self, path: Path, dictionary: str) -> Any:
        """Return the file opened for a column of strings as dictionary, or for any other column."""
        import pyarrow.parquet as pq

        key = (path, dictionary)
        if key not in self._open:
            self._open = {opened: file for opened, file in self._open.items() if opened == (path, "")}
            self._open[key] = pq.ParquetFile(
                path,
                metadata=self.footers[path],
                read_dictionary=[dictionary] if dictionary else None,
                pre_buffer=False,  # it would read a column from more threads than this one
            )
        return self._open[key]


def _feed(table: pa.Table, consumers: dict[str, Any]) -> None:
    for name, consumer in consumers.items():
        if name in table.column_names:
            consumer.add(table)
        else:
            consumer.skip(table.num_rows)


def _is_parquet(path: Path) -> bool:
    found = format_of(path.name)
    return found is not None and found.kind == "parquet"


def _footer(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as parquet: {error}") from error


def _schema(path: Path) -> pa.Schema:
    if _is_parquet(path):
        schema: pa.Schema = _footer(path).schema.to_arrow_schema()
        return schema
    first = next(_batches(path), None)
    return first.schema if first is not None else pa.schema([])


def _rows(path: Path) -> int:
    if _is_parquet(path):
        return int(_footer(path).num_rows)
    return sum(batch.num_rows for batch in _batches(path))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    return iter(read_batches(path))

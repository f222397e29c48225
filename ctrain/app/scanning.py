"""Reading files of a table column by column or batch by batch, in the memory of a few batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from ctrain.app.forking import in_forks
from ctrain.errors import InputError
from ctrain.sources.formats import format_of
from ctrain.sources.tables import read_batches, table_files
from ctrain.sources.texts import schema_without_views, with_utf8
from ctrain.stats.lattice import BLOCK, Scratch

MANY_VALUES = 64_000_000
"""From so many on columns are shared among processes; fewer take half a second, and less CPU alone."""
_NUMBERS_TOGETHER = 1 << 18
"""Rows of a column of fixed width that are decoded at a time; of others, a block."""

PART_ROWS = 1 << 20
"""Parts of Parquet files have at least so many rows, but for the last, and end where a row group does."""

_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)


class Consumer(Protocol):
    """What takes the values of a column as they come."""

    def add(self, table: pa.Table, /) -> None:
        """Take the next rows."""

    def skip(self, rows: int, /) -> None:
        """Take rows of a file that lacks the column."""


class Scan(Protocol[_R_co]):
    """A pass over columns: what takes the values of each part, and what the parts come to."""

    @property
    def dictionaries(self) -> Collection[str]:
        """Columns of strings to be read as dictionaries."""

    def start(self, name: str, first_row: int, scratch: Scratch, /) -> Consumer:
        """Return what takes the values of a column from row ``first_row`` on."""

    def finish(self, name: str, consumer: Any, /) -> Any:
        """Return what is to be known of a part; picklable."""

    def merge(self, name: str, found: Sequence[Any], /) -> _R_co:
        """Return what all parts, in order, come to; picklable."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Row groups of one Parquet file."""

    path: str
    groups: tuple[int, ...]
    rows: int
    size_bytes: int
    """Of the file, by which another machine knows that it sees the same one."""

    def followed_by(self, other: Piece) -> Piece:
        """Return both as one."""
        return replace(self, groups=self.groups + other.groups, rows=self.rows + other.rows)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are counted by themselves, wherever: so all machines come to the same bits."""

    first_row: int
    pieces: tuple[Piece, ...]


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
        if self.in_parts:
            return sum(int(footer.num_rows) for footer in self.footers.values())
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

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts of Parquet files; there is at least one."""
        found: list[Part] = []
        pieces: list[Piece] = []
        first_row = waiting = 0
        for group in self._groups():
            if pieces and pieces[-1].path == group.path:
                pieces[-1] = pieces[-1].followed_by(group)
            else:
                pieces.append(group)
            waiting += group.rows
            if waiting >= PART_ROWS:
                found.append(Part(first_row, tuple(pieces)))
                first_row, waiting, pieces = first_row + waiting, 0, []
        if pieces or not found:
            found.append(Part(first_row, tuple(pieces)))
        return tuple(found)

    def _groups(self) -> Iterator[Piece]:
        """Row groups, one by one."""
        for path, footer in self.footers.items():
            size = path.stat().st_size
            for group in range(footer.num_row_groups):
                yield Piece(str(path), (group,), int(footer.row_group(group).num_rows), size)

    @cached_property
    def footers(self) -> dict[Path, Any]:
        """Of Parquet files."""
        return {path: read_footer(path) for path in self.paths}

    @cached_property
    def in_parts(self) -> bool:
        """Whether the files can be read in parts."""
        return all(map(_is_parquet, self.paths))

    def consume(self, columns: Sequence[str], scan: Scan[_R]) -> dict[str, _R]:
        """Return for each column what ``scan`` comes to.

        Parquet is read one column at a time, large files by several processes. Other files are one
        part, and are read once, all columns together.
        """
        if self.in_parts:
            return self._by_column(columns, scan)
        scratch = Scratch()
        consumers = {name: scan.start(name, 0, scratch) for name in columns}
        for path in self.paths:
            for batch in read_batches(path):
                _feed(pa.Table.from_batches([batch]), consumers)
        return {name: scan.merge(name, [scan.finish(name, one)]) for name, one in consumers.items()}

    def _by_column(self, columns: Sequence[str], scan: Scan[_R]) -> dict[str, _R]:
        strings = {one.name for one in self.schema if pa.types.is_string(one.type)}
        reader = ColumnReader(self.footers, strings.intersection(scan.dictionaries))

        def consume(name: str) -> _R:
            return scan.merge(name, [reader.scan(part, name, scan) for part in self.parts])

        many = self.rows * len(columns) >= MANY_VALUES
        results = in_forks(consume, columns) if many else map(consume, columns)
        return dict(zip(columns, results, strict=True))


@dataclass
class ColumnReader:
    """Parquet files, opened when their first column is read."""

    footers: Mapping[Path, Any]
    dictionaries: Collection[str]
    """Columns of strings that are read as dictionaries."""
    scratch: Scratch = field(default_factory=Scratch)
    _open: dict[tuple[Path, str], Any] = field(default_factory=dict)

    def scan(self, part: Part, name: str, scan: Scan[Any]) -> Any:
        """Return what a scan finds in one column of one part."""
        consumer = scan.start(name, part.first_row, self.scratch)
        for piece in part.pieces:
            self._feed(piece, name, consumer)
        return scan.finish(name, consumer)

    def _feed(self, piece: Piece, name: str, consumer: Consumer) -> None:
        """Give a consumer one column of a piece, batch by batch."""
        path = Path(piece.path)
        stored = self._types[path].get(name)
        if stored is None:
            consumer.skip(piece.rows)
            return
        rows = _NUMBERS_TOGETHER if pa.types.is_primitive(stored) else BLOCK
        try:
            file = self._file(path, name if name in self.dictionaries else "")
            for batch in file.iter_batches(rows, row_groups=piece.groups, columns=[name], use_threads=False):
                consumer.add(with_utf8(pa.Table.from_batches([batch]))[0])
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


def read_footer(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(path)
        footer.schema.to_arrow_schema()  # names that are not UTF-8 show here
        return footer
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as parquet: {error}") from error


def _schema(path: Path) -> pa.Schema:
    if _is_parquet(path):
        return schema_without_views(read_footer(path).schema.to_arrow_schema())
    first = next(_batches(path), None)
    return first.schema if first is not None else pa.schema([])


def _rows(path: Path) -> int:
    if _is_parquet(path):
        return int(read_footer(path).num_rows)
    return sum(batch.num_rows for batch in _batches(path))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    return iter(read_batches(path))

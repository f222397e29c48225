"""A look into a file of text: where to read it on, and whether the policy finds its columns there."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.columns import Column, ColumnProblem, Kind, first_problem
from ctrain.rows.instants import cast_instant, microseconds_of
from ctrain.sources.column_types import ColumnType
from ctrain.sources.cursor import Ledger
from ctrain.sources.delimited import DelimitedParser, Header
from ctrain.sources.fingerprints import fingerprint
from ctrain.sources.formats import FileFormat
from ctrain.sources.json_lines import JsonLinesParser, leaf_names
from ctrain.sources.parquet import Fault
from ctrain.sources.positions import Position, Trail
from ctrain.sources.records import Records, cut_delimited, cut_lines
from ctrain.sources.streams import Extent, TextStream, open_text

SAMPLE_BYTES = 64 * 2**10
FIRST_BYTES = 512 * 2**10
"""What is looked at of the beginning: a header, or the fields of the first lines of JSON."""
MOST_LOOKED_AT = 50
"""So many lines of a block are looked at for another header."""
_TOLD_APART = 64
"""So many bytes tell one file without a first line from another: it may grow, and is set aside once."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANK = b" \t\r\n\0\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, eq=False)
class TextLook:
    """What a file of text holds, and from where on it is new."""

    stat: str
    extent: Extent
    start: Position
    trail: Trail
    """Of what lies before the start."""
    layout: Layout
    first_event: int | None = None
    was_replaced: bool = False
    """Something else was read under this name before."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the columns of a policy lie in a file of text."""

    header: Header | None = None
    """Of CSV."""
    wanted: Mapping[str, Kind] | None = None
    extra: tuple[str, ...] = ()
    problem: ColumnProblem | None = None
    content: str = ""
    """Of what the problem was found in."""
    columns: Sequence[Column] = ()
    """What the policy wants."""

    def parser(self, types: Mapping[str, ColumnType]) -> DelimitedParser | JsonLinesParser:
        assert self.wanted is not None
        if self.header is None:
            return JsonLinesParser(self.wanted)
        return DelimitedParser(self.header, self.wanted, types)

    def other_header(self, records: Records) -> tuple[int, Layout] | None:
        """Return the first record that is another header, as after a change of the writer, and its layout."""
        needed = [path for one in self.columns if not one.feature for path in one.paths]
        name = max((path for path in needed if path in (self.wanted or {})), key=len, default="").encode()
        if self.header is None or not name:
            return None
        at = records.data.find(name, 0, records.size)
        for _ in range(MOST_LOOKED_AT):
            if at < 0:
                return None
            index = int(np.searchsorted(records.ends, at, side="right"))
            layout = self._below(records.text(index))
            if layout is not None:
                return index, layout
            at = records.data.find(name, int(records.ends[index]), records.size)
        return None

    def _below(self, line: bytes) -> Layout | None:
        """Return the layout below a line that is another header than this one."""
        try:
            header = Header.parse(line)
        except (UnicodeDecodeError, csv.Error):
            return None
        assert self.header is not None
        if header.names == self.header.names:
            return None
        layout = _csv_layout(header, self.columns)
        return None if layout.problem is not None and not layout.problem.bearable else layout

    def cut(self, data: bytes, *, final: bool = False) -> Records:
        """Return the records of a block of the file."""
        return (
            cut_lines(data)
            if self.header is None
            else cut_delimited(data, self.header.delimiter, final=final)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Looker:
    """Looks into files for the columns of one policy; ``is_held`` tells whether a file is still there."""

    columns: Sequence[Column]
    ledger: Ledger
    is_held: Callable[[str, Position], bool]

    def look(self, path: Path, name: str, stat: str, found: FileFormat, extent: Extent) -> TextLook | Fault:
        """Return where to read a file on; a Fault when it does not even begin as it should.

        Raises
        ------
        FileChanged, OSError
            when the file is another one now, has gone or cannot be read.
        """
        stream = open_text(path, found.compression, extent)
        try:
            first = stream.read(FIRST_BYTES)
        finally:
            stream.close()
        if first.startswith(UTF16):
            return Fault("bad_header", "the file is UTF-16, expected UTF-8", fingerprint(first[:2]))
        before = self.ledger.positions.of(name)
        open_again = partial(open_text, path, found.compression, extent)
        start, trail = self._where_left(name, first, extent, open_again)
        if found.kind == "csv":
            looked = _look_at_csv(first, start, before, self.columns, self.ledger)
        else:
            looked = start or Position(), _json_layout(first, self.columns)
        if isinstance(looked, Fault):
            return looked
        begin, layout = looked
        if start is None:
            trail.add(first[: begin.offset])
        sample = _following(first, begin.offset, open_again)
        is_own = start is not None and before is not None and start.content == before.content
        replaced = before is not None and before.offset > 0 and not is_own
        event = _first_event(sample, layout, self.columns)
        return TextLook(stat, extent, begin, trail, layout, event, replaced)

    def _where_left(
        self, name: str, first: bytes, extent: Extent, open_again: Callable[[], TextStream]
    ) -> tuple[Position | None, Trail]:
        """Return the position in this content: the file's own, or the furthest of a file that it was."""
        own, trail = fingerprint(name.encode()), Trail()
        known = self.ledger.positions.candidates(first, extent.size)
        found: tuple[Position | None, Trail] = (None, Trail())
        stream = open_again() if known else None
        for key, position in known:
            assert stream is not None
            trail.follow(stream, position.offset)
            if trail.digest() != (position.head, position.content):
                continue
            if key == own:
                found = position, trail.copy()
                break
            if not self.is_held(key, position):
                found = position, trail.copy()
        if stream is not None:
            stream.close()
        return found


def _following(first: bytes, offset: int, open_again: Callable[[], TextStream]) -> bytes:
    if offset < len(first):
        return first[offset : offset + SAMPLE_BYTES]
    stream = open_again()
    stream.skip_to(offset)
    sample = stream.read(SAMPLE_BYTES)
    stream.close()
    return sample


def no_header(error: Exception) -> str:
    """Return what is wrong with a first line, and what to do where it is in another encoding."""
    expected = "; expected UTF-8" if isinstance(error, UnicodeDecodeError) else ""
    return f"the first line names no columns ({error}){expected}"


def _look_at_csv(
    first: bytes, start: Position | None, before: Position | None, columns: Sequence[Column], ledger: Ledger
) -> tuple[Position, Layout] | Fault:
    known = (start or before or Position()).header
    earlier = Header.parse(ledger.headers[known - 1].encode()) if known else None
    if start is not None and earlier is not None:
        return start, _csv_layout(earlier, columns)
    line, size = header_line(first)
    if line is None:
        return _endless(first) or (Position(header=known), Layout())
    try:
        header = Header.parse(line)
    except (UnicodeDecodeError, csv.Error) as error:
        return Fault("bad_header", no_header(error), fingerprint(line))
    layout = _csv_layout(header, columns)
    if layout.problem is not None and earlier is not None and len(earlier.names) == len(header.names):
        # A log that was emptied while its writer went on has no header of its own.
        return Position(header=known), _csv_layout(earlier, columns)
    is_usable = layout.problem is None or layout.problem.bearable
    number = ledger.number_of(header.line.decode()) if is_usable else 0
    return Position(offset=size, lines=first.count(b"\n", 0, size), header=number), layout


def _endless(first: bytes) -> Fault | None:
    """Return why no first line ends where rows are there already; None while a header may be all there is."""
    text = first.strip(_BLANK)
    if b"\n" not in text and b"\r" in text:
        message = "its lines end with carriage returns alone, expected newlines"
    elif b"\n" in text:
        message = "its first line does not end: a quote in it is not closed"
    elif len(first) >= FIRST_BYTES:
        message = f"its first line does not end within {FIRST_BYTES} bytes"
    else:
        return None
    return Fault("bad_header", message, fingerprint(text[:_TOLD_APART] + message.encode()))


def header_line(first: bytes) -> tuple[bytes | None, int]:
    """Return the first line that is not blank, and where it ends; no line when it is not whole."""
    begin = len(first) - len(first.lstrip(_BLANK))
    end = first.find(b"\n", begin) + 1
    while end and first.count(b'"', begin, end) % 2:
        end = first.find(b"\n", end) + 1
    return (first[begin:end], end) if end else (None, 0)


def _csv_layout(header: Header, columns: Sequence[Column]) -> Layout:
    schema = pa.schema([(name, pa.string()) for name in header.names])
    layout = _layout(schema, columns)
    return replace(layout, header=header, content=fingerprint(header.line), columns=columns)


def _json_layout(first: bytes, columns: Sequence[Column]) -> Layout:
    """Return what the first lines show; a field that comes later only is not an unused one."""
    names = leaf_names(first.split(b"\n")[:-1])
    if not names:
        return Layout(wanted={column.paths[-1]: column.kind for column in columns})
    schema = pa.schema([(name, pa.string()) for name in names])
    layout = _layout(schema, columns, ".")
    return replace(layout, content=fingerprint("\n".join(sorted(names)).encode()))


def _layout(schema: pa.Schema, columns: Sequence[Column], nested: str = "\n") -> Layout:
    problem = first_problem(schema, columns)
    wanted = {path: column.kind for column in columns for path in column.paths if path in schema.names}
    if nested == ".":
        for column in columns:
            if not any(path in wanted for path in column.paths):
                wanted[column.paths[-1]] = column.kind
    used = set(wanted) | {path.partition(nested)[0] for path in wanted}
    extra = [one for one in schema.names if one and not _is_used(one, used, nested)]
    return Layout(None, wanted, tuple(extra), problem)


def _is_used(name: str, used: Iterable[str], nested: str) -> bool:
    """Parts of an object that is used, and parts of one that is noted, are not noted themselves."""
    return name in used or nested in name


def _first_event(sample: bytes, layout: Layout, columns: Sequence[Column]) -> int | None:
    instant = next((one for one in columns if one.kind == "instant"), None)
    if instant is None or not layout.wanted or layout.problem is not None:
        return None
    records = layout.cut(sample).first(100)
    if not len(records.ends):
        return None
    path = next((path for path in instant.paths if path in layout.wanted), None)
    if path is None:
        return None
    values = replace(layout, wanted={path: "instant"}).parser({}).parse(records).columns[path]
    events = pc.drop_null(cast_instant(values, instant.zone or "UTC").values)
    return int(microseconds_of(events)[0]) if len(events) else None

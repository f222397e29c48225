"""Rows of a file of text from a position on, block by block; memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.domain import RejectedLine, SourceBatch
from ctrain.rows.casting import ArrowArray, cast_boolean, cast_number
from ctrain.rows.columns import Kind
from ctrain.sources.column_types import ColumnType, infer_type, settle
from ctrain.sources.cursor import Ledger
from ctrain.sources.formats import Compression
from ctrain.sources.parsed import Parsed
from ctrain.sources.positions import UNSETTLED, Position, Trail
from ctrain.sources.reading import Reading
from ctrain.sources.records import Records
from ctrain.sources.streams import PlainStream, TextStream, open_text
from ctrain.sources.text_look import TextLook

BLOCK_BYTES = 8 * 2**20
LEAST_BLOCK_BYTES = 64 * 2**10
MOST_LINE_BYTES = 64 * 2**20
SHOWN_BYTES = 1000
_ROW_BYTES = 200
"""What a row is taken to need before any was seen."""
_IS_BAD = {"number": cast_number, "boolean": cast_boolean}


class LineTooLong(Exception):
    """A line that does not fit into memory."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a read ended."""

    position: Position
    trail: Trail
    is_limited: bool = False
    """The room has ended before the file."""
    waits: bool = False
    """The last line is not whole."""


@dataclass(slots=True)
class _Opened:
    """A file between two reads."""

    name: str
    stat: str
    stream: TextStream
    trail: Trail
    data: bytes = b""
    position: Position = field(default_factory=Position)


class TextReader:
    """Reads rows of files; a compressed file that a limit ended stays open for the next read."""

    def __init__(self, types: Mapping[str, ColumnType]) -> None:
        self._declared = dict(types)
        self._kept: _Opened | None = None
        self._noted: set[tuple[str, str]] = set()

    def read(
        self,
        name: str,
        path: Path,
        look: TextLook,
        compression: Compression,
        reading: Reading,
        is_last: Callable[[bytes], bool],
    ) -> Taken:
        """Hand on the rows from the look's start to the end of the file or of the room.

        ``is_last`` tells whether a last line without its newline may be taken as it is.

        Raises
        ------
        FileChanged, OSError, pyarrow.ArrowException, zlib.error
            when the file is another one now, or cannot be read.
        LineTooLong
            when a line has more than ``MOST_LINE_BYTES``.
        """
        opened = self._resume(name, look) or self._open(name, path, look, compression)
        try:
            return self._read_on(opened, look, reading, is_last)
        except BaseException:
            opened.stream.close()
            raise

    def release(self) -> None:
        """Let go of the file that a limit ended."""
        if self._kept is not None:
            self._kept.stream.close()
            self._kept = None

    def __del__(self) -> None:
        self.release()

    def _read_on(
        self, opened: _Opened, look: TextLook, reading: Reading, is_last: Callable[[bytes], bool]
    ) -> Taken:
        if not self._finish_line(opened, reading):
            return self._close(opened, waits=True)
        block = min(BLOCK_BYTES, max(LEAST_BLOCK_BYTES, reading.room * _ROW_BYTES))
        at_end = False
        while reading.room > 0 and not at_end:
            chunk = opened.stream.read(block)
            opened.data += chunk
            at_end = not chunk or opened.stream.position >= look.extent.size
            self._strip_zeros(opened)
            size = self._take_block(opened, look, reading)
            if not size and not at_end:
                block *= 2
            if len(opened.data) > MOST_LINE_BYTES:
                raise LineTooLong(f"line {opened.position.lines + 1} has more than {MOST_LINE_BYTES} bytes")
        if reading.room <= 0 and (opened.data or not at_end):
            return self._close(opened, is_limited=True)
        return self._close(opened, waits=not self._take_last(opened, look, reading, is_last))

    def _types(self, ledger: Ledger) -> dict[str, ColumnType]:
        return ledger.types | self._declared

    def _resume(self, name: str, look: TextLook) -> _Opened | None:
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        if (kept.name, kept.stat, kept.position.offset) == (name, look.stat, look.start.offset):
            return kept
        kept.stream.close()
        return None

    def _open(self, name: str, path: Path, look: TextLook, compression: Compression) -> _Opened:
        stream = open_text(path, compression, look.extent)
        stream.skip_to(max(look.start.offset - 1, 0))
        return _Opened(name, look.stat, stream, look.trail.copy(), position=look.start)

    def _finish_line(self, opened: _Opened, reading: Reading) -> bool:
        """Pass over the end of a line that was taken without it; False when that is not whole yet."""
        if not opened.position.offset or opened.stream.position >= opened.position.offset:
            return True
        last = opened.stream.read(1)
        if last == b"\n":
            return True
        opened.data = opened.stream.read(LEAST_BLOCK_BYTES)
        end = opened.data.find(b"\n") + 1
        if not end:
            return False
        rest = opened.data[:end].strip()
        if rest:
            message = "it went on after it had been read, for it had not changed for long"
            self._reject(opened.name, opened.position.lines, "cut_line", message, rest, reading)
        self._advance(opened, end, replace(opened.position, offset=opened.position.offset + end))
        return True

    def _strip_zeros(self, opened: _Opened) -> None:
        """Pass over what a file that was emptied under its writer begins with."""
        zeros = len(opened.data) - len(opened.data.lstrip(b"\0")) if opened.data[:1] == b"\0" else 0
        if zeros:
            self._advance(opened, zeros, replace(opened.position, offset=opened.position.offset + zeros))

    def _take_block(self, opened: _Opened, look: TextLook, reading: Reading) -> int:
        records = look.layout.cut(opened.data).first(reading.room)
        if not len(records.ends):
            return 0
        parsed = look.layout.parser(self._types(reading.ledger)).parse(records)
        position = self._hand_on(opened.name, opened.position, records, parsed, look, reading)
        self._advance(opened, records.size, position)
        return records.size

    def _take_last(
        self, opened: _Opened, look: TextLook, reading: Reading, is_last: Callable[[bytes], bool]
    ) -> bool:
        """Hand on a last line without its newline; False when it is not whole, as far as one can know."""
        rest = opened.data
        if not rest.strip(b" \t\r\n\0"):
            return True
        if not is_last(rest):
            return False
        parser = look.layout.parser(self._types(reading.ledger))
        records = look.layout.cut(rest + b"\n", final=True)
        last = len(records.ends) - 1
        is_row = all(bad.index < last for bad in parser.parse(records).rejected)
        records = records if is_row else records.first(last)
        if len(records.ends):
            position = self._hand_on(
                opened.name, opened.position, records, parser.parse(records), look, reading
            )
            size = min(records.size, len(rest))
            self._advance(opened, size, replace(position, offset=opened.position.offset + size))
        return is_row

    def _advance(self, opened: _Opened, size: int, position: Position) -> None:
        opened.trail.add(opened.data[:size])
        opened.data = opened.data[size:]
        opened.position = position

    def _hand_on(
        self, name: str, start: Position, records: Records, parsed: Parsed, look: TextLook, reading: Reading
    ) -> Position:
        """Add what was parsed to the read, and return the position behind it."""
        lines = start.lines + 1 + records.lines
        for bad in parsed.rejected:
            text = records.text(bad.index)
            self._reject(name, int(lines[bad.index]), bad.reason, bad.message, text, reading)
        if len(parsed.rows):
            fresh = reading.note_unused(name, look.layout.extra) if not start.rows else ()
            table = self._table(name, parsed, lines[parsed.rows], look, reading)
            reading.batches.append(SourceBatch(table, name, start.rows, fresh, lines[parsed.rows]))
        reading.room -= len(records.ends)
        return replace(
            start,
            offset=start.offset + records.size,
            rows=start.rows + len(parsed.rows),
            lines=start.lines + records.line_count,
        )

    def _table(
        self, name: str, parsed: Parsed, lines: npt.NDArray[np.int64], look: TextLook, reading: Reading
    ) -> pa.Table:
        assert look.layout.wanted is not None
        types = self._types(reading.ledger)
        columns = {}
        for path, kind in look.layout.wanted.items():
            values = parsed.columns[path]
            if path not in types and (found := infer_type(values, kind)) is not None:
                types[path] = found
                reading.ledger.fix_type(path, found)
            columns[path] = settle(values, kind, types.get(path))
            self._note_bad(name, path, kind, columns[path], lines, reading)
        return pa.table(columns)

    def _note_bad(
        self,
        name: str,
        path: str,
        kind: Kind,
        values: ArrowArray,
        lines: npt.NDArray[np.int64],
        reading: Reading,
    ) -> None:
        """Say where the first value of a column lies that is not what it should be."""
        cast = _IS_BAD.get(kind)
        if cast is None or not pa.types.is_string(values.type) or (name, path) in self._noted:
            return
        bad = np.flatnonzero(cast(values).bad)
        if len(bad):
            self._noted.add((name, path))
            at = int(bad[0])
            reading.notes.append(
                f"{name}: line {lines[at]}: column {path!r} holds {values[at].as_py()[:80]!r}, no {kind}"
            )

    def _reject(self, name: str, line: int, reason: str, message: str, text: bytes, reading: Reading) -> None:
        shown = text[:SHOWN_BYTES].decode(errors="replace")
        whole = f"{name}: line {line}: {message}"
        reading.lines.append(RejectedLine(name, line, reason, whole, shown))

    def _close(self, opened: _Opened, *, is_limited: bool = False, waits: bool = False) -> Taken:
        """Return where the read has ended, with the fingerprints of what lies before."""
        head, content = opened.trail.digest()
        opened.position = replace(opened.position, stat=UNSETTLED, head=head, content=content)
        if is_limited and not isinstance(opened.stream, PlainStream):
            self._kept = opened
        else:
            opened.stream.close()
        return Taken(opened.position, opened.trail.copy(), is_limited, waits)

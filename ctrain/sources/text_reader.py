"""Rows of a file of text from a position on, block by block; memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ctrain.domain import RejectedLine, SourceBatch
from ctrain.sources.column_types import ColumnType
from ctrain.sources.formats import Compression
from ctrain.sources.parsed import Parsed
from ctrain.sources.positions import UNSETTLED, Position, Trail
from ctrain.sources.reading import Reading
from ctrain.sources.records import Records
from ctrain.sources.streams import PlainStream, TextStream, open_text
from ctrain.sources.text_columns import TypedColumns
from ctrain.sources.text_look import Layout, TextLook

BLOCK_BYTES = 8 * 2**20
LEAST_BLOCK_BYTES = 64 * 2**10
MOST_LINE_BYTES = 64 * 2**20
SHOWN_BYTES = 1000
_ROW_BYTES = 200
"""What a row is taken to need before any was seen."""


class LineTooLong(Exception):
    """A line that does not fit into memory."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a read ended."""

    position: Position
    trail: Trail
    layout: Layout
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
    layout: Layout
    position: Position
    data: bytes = b""
    is_begun: bool = False
    """Columns that are not used have been noted."""


class TextReader:
    """Reads rows of files; a compressed file that a limit ended stays open for the next read."""

    def __init__(self, types: Mapping[str, ColumnType]) -> None:
        self._columns = TypedColumns(types)
        self._kept: _Opened | None = None

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
            has_taken = False
            while self._take_block(opened, reading):
                has_taken = True
            if not has_taken and not at_end:
                block = min(2 * block, max(MOST_LINE_BYTES, LEAST_BLOCK_BYTES))
            if len(opened.data) > MOST_LINE_BYTES:
                raise LineTooLong(f"line {opened.position.lines + 1} has more than {MOST_LINE_BYTES} bytes")
        if reading.room <= 0 and (opened.data or not at_end):
            return self._close(opened, is_limited=True)
        return self._close(opened, waits=not self._take_last(opened, reading, is_last))

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
        is_begun = look.start.rows > 0
        return _Opened(name, look.stat, stream, look.trail.copy(), look.layout, look.start, is_begun=is_begun)

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
            _reject(opened.name, opened.position.lines, "cut_line", message, rest, reading)
        self._advance(opened, end, replace(opened.position, offset=opened.position.offset + end))
        return True

    def _strip_zeros(self, opened: _Opened) -> None:
        """Pass over what a file that was emptied under its writer begins with."""
        zeros = len(opened.data) - len(opened.data.lstrip(b"\0")) if opened.data[:1] == b"\0" else 0
        if zeros:
            self._advance(opened, zeros, replace(opened.position, offset=opened.position.offset + zeros))

    def _take_block(self, opened: _Opened, reading: Reading) -> bool:
        """Hand on the whole records that are there, up to the room; False when there are none."""
        records = opened.layout.cut(opened.data).first(reading.room)
        other = opened.layout.other_header(records)
        if other is not None and other[0] == 0:
            self._begin_anew(opened, records.first(1), other[1], reading)
            return True
        records = records if other is None else records.first(other[0])
        if not len(records.ends):
            return False
        position = self._hand_on(opened, records, self._parse(opened, records, reading), reading)
        self._advance(opened, records.size, position)
        return True

    def _begin_anew(self, opened: _Opened, records: Records, layout: Layout, reading: Reading) -> None:
        """Read on below a header in the middle of a file."""
        assert layout.header is not None
        start, number = opened.position, reading.ledger.number_of(layout.header.line.decode())
        line = start.lines + 1
        reading.notes.append(f"{opened.name}: line {line} names other columns; what follows is read by them")
        offset, lines = start.offset + records.size, start.lines + records.line_count
        self._advance(opened, records.size, replace(start, offset=offset, lines=lines, header=number))
        opened.layout, opened.is_begun = layout, False

    def _parse(self, opened: _Opened, records: Records, reading: Reading) -> Parsed:
        return opened.layout.parser(self._columns.types(reading.ledger)).parse(records)

    def _take_last(self, opened: _Opened, reading: Reading, is_last: Callable[[bytes], bool]) -> bool:
        """Hand on a last line without its newline; False when it is not whole, as far as one can know."""
        rest = opened.data
        if not rest.strip(b" \t\r\n\0"):
            return True
        if not is_last(rest):
            return False
        records = opened.layout.cut(rest + b"\n", final=True)
        last = len(records.ends) - 1
        is_row = all(bad.index < last for bad in self._parse(opened, records, reading).rejected)
        records = records if is_row else records.first(last)
        if len(records.ends):
            position = self._hand_on(opened, records, self._parse(opened, records, reading), reading)
            size = min(records.size, len(rest))
            self._advance(opened, size, replace(position, offset=opened.position.offset + size))
        return is_row

    def _advance(self, opened: _Opened, size: int, position: Position) -> None:
        opened.trail.add(opened.data[:size])
        opened.data = opened.data[size:]
        opened.position = position

    def _hand_on(self, opened: _Opened, records: Records, parsed: Parsed, reading: Reading) -> Position:
        """Add what was parsed to the read, and return the position behind it."""
        name, start, layout = opened.name, opened.position, opened.layout
        lines = start.lines + 1 + records.lines
        for bad in parsed.rejected:
            text = records.text(bad.index)
            _reject(name, int(lines[bad.index]), bad.reason, bad.message, text, reading)
        if len(parsed.rows):
            assert layout.wanted is not None
            fresh = () if opened.is_begun else reading.note_unused(name, layout.extra)
            opened.is_begun = True
            places = lines[parsed.rows]
            table = self._columns.table(name, parsed, layout.wanted, places, reading)
            reading.batches.append(SourceBatch(table, name, start.rows, fresh, places))
        reading.room -= len(records.ends)
        return replace(
            start,
            offset=start.offset + records.size,
            rows=start.rows + len(parsed.rows),
            lines=start.lines + records.line_count,
        )

    def _close(self, opened: _Opened, *, is_limited: bool = False, waits: bool = False) -> Taken:
        """Return where the read has ended, with the fingerprints of what lies before."""
        head, content = opened.trail.digest()
        opened.position = replace(opened.position, stat=UNSETTLED, head=head, content=content)
        if is_limited and not isinstance(opened.stream, PlainStream):
            self._kept = opened
        else:
            opened.stream.close()
        return Taken(opened.position, opened.trail.copy(), opened.layout, is_limited, waits)


def _reject(name: str, line: int, reason: str, message: str, text: bytes, reading: Reading) -> None:
    shown = text[:SHOWN_BYTES].decode(errors="replace")
    whole = f"{name}: line {line}: {message}"
    reading.lines.append(RejectedLine(name, line, reason, whole, shown))

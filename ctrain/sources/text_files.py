"""CSV and JSON lines: files that may grow, read from where they were left.

Only whole lines are read. A last line without its newline is one as soon as nothing can follow in it
(a JSON object is closed), or for CSV when it has all its fields and the file has not changed for
``LAST_LINE_SECONDS``. A line that is no row is set aside alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ctrain.rows.columns import Column
from ctrain.sources.column_types import ColumnType
from ctrain.sources.cursor import Done
from ctrain.sources.fingerprints import fingerprint, stat_fingerprint
from ctrain.sources.formats import DeclaredFormat, FileFormat, format_of
from ctrain.sources.inspection import PATIENCE_SECONDS
from ctrain.sources.json_lines import is_whole
from ctrain.sources.parquet import Fault
from ctrain.sources.patience import LAST_LINE_SECONDS, Patience
from ctrain.sources.positions import BEGUN, UNSETTLED, Position, Trail
from ctrain.sources.reading import NO_CONTENT, Reading, SortKey, sort_key
from ctrain.sources.streams import FileChanged, measure, open_text
from ctrain.sources.text_look import Looker, TextLook
from ctrain.sources.text_reader import LineTooLong, Taken, TextReader

if TYPE_CHECKING:
    from ctrain.ports import Timer

HELD_BYTES = 64 * 2**20
"""How much text of compressed files is held until it is read, in the same read of the source."""


class TextFiles:
    """The files of text of one source."""

    def __init__(
        self,
        columns: Sequence[Column],
        timer: Timer | None,
        declared: DeclaredFormat,
        types: Mapping[str, ColumnType],
    ) -> None:
        self._columns = tuple(columns)
        self._declared: DeclaredFormat = declared
        self._looks: dict[str, TextLook] = {}
        self._tails: dict[str, str] = {}
        """Files in which nothing is new but a last line that is not whole, as they were then."""
        self._of_faults = Patience(timer, PATIENCE_SECONDS)
        self._of_tails = Patience(timer, LAST_LINE_SECONDS)
        self._reader = TextReader(types)

    def inspect(self, name: str, path: str, stat: str, reading: Reading) -> SortKey | None:
        if self._tails.get(name) == stat and not self._is_final(name, path, stat):
            return None
        look = self._look(name, path, stat, reading)
        if isinstance(look, Fault):
            self._be_patient(name, look, stat, reading)
            return None
        problem = look.layout.problem
        if problem is not None and not problem.bearable:
            done = Done(stat, look.layout.content, None)
            if not self._is_known(name, done, reading):
                self._set_aside(name, done, problem.reason, problem.message, reading)
            return None
        if look.start.offset < look.extent.size:
            return sort_key(0 if look.start.stat == BEGUN else look.first_event)
        self._begin(name, look, reading)
        self._settle(name, look, reading)
        return None

    def take(self, name: str, path: str, reading: Reading) -> None:
        look = self._looks[name]
        if look.layout.wanted is None:
            self._tails[name] = look.stat
            return
        problem = look.layout.problem
        if problem is not None and not reading.ledger.has_read:
            done = Done(look.stat, look.layout.content, None)
            if not self._is_known(name, done, reading):
                self._set_aside(name, done, problem.reason, problem.message, reading)
            return
        self._begin(name, look, reading)
        is_last = is_whole if look.layout.header is None else lambda _: self._is_final(name, path, look.stat)
        compression = self._format(name).compression
        try:
            taken = self._reader.read(name, Path(path), look, compression, reading, is_last)
        except (FileChanged, FileNotFoundError):
            self.forget(name)
            return
        except (OSError, LineTooLong, pa.ArrowException, zlib.error) as error:
            done = Done(look.stat, NO_CONTENT, None)
            self._set_aside(name, done, "damaged", str(error), reading)
            return
        self._end(
            name,
            path,
            taken,
            replace(look, start=taken.position, trail=taken.trail, was_replaced=False),
            reading,
        )

    def forget(self, name: str) -> None:
        self._looks.pop(name, None)
        self._tails.pop(name, None)

    def release(self) -> None:
        for name, look in self._looks.items():
            if look.extent.held is not None:
                self._looks[name] = replace(look, extent=replace(look.extent, held=None))

    def reset(self) -> None:
        """Forget all that belongs to the cursor of the last read."""
        self._looks.clear()
        self._tails.clear()
        self._reader.release()

    def _format(self, name: str) -> FileFormat:
        found = format_of(name, self._declared)
        assert found is not None
        return found

    def _look(self, name: str, path: str, stat: str, reading: Reading) -> TextLook | Fault:
        known = self._looks.get(name)
        if known is not None and known.stat == stat:
            return known
        self.forget(name)
        found = self._format(name)
        extent = measure(Path(path), found.compression)
        if isinstance(extent, Fault):
            return extent
        held = sum(len(one.extent.held or b"") for one in self._looks.values()) + len(extent.held or b"")
        if held > HELD_BYTES:
            extent = replace(extent, held=None)
        try:
            looker = Looker(self._columns, reading.ledger, partial(self._is_held, reading))
            look = looker.look(Path(path), name, stat, found, extent)
        except FileChanged as error:
            raise FileNotFoundError from error
        if isinstance(look, TextLook):
            self._looks[name] = look
        return look

    def _begin(self, name: str, look: TextLook, reading: Reading) -> None:
        """Say what is remarkable about a file that is read."""
        ledger = reading.ledger
        known, before = ledger.known(name), ledger.positions.of(name)
        if known is not None:
            reading.notes.append(f"{name}: the file was set aside before; it can be read now")
        if look.was_replaced and before is not None and not self._is_elsewhere(before):
            ledger.positions.set_free(name)
            if look.extent.size and not look.start.rows:
                reading.notes.append(
                    f"{name}: the file holds something else than before; it is read from its beginning, "
                    "and ids that are known are dropped"
                )
        problem = look.layout.problem
        if problem is not None and not look.start.rows:
            reading.notes.append(f"{name}: {problem.message}; the rows are read without it")

    def _is_elsewhere(self, position: Position) -> bool:
        """True when another file has been found to be the one that was read so far."""
        return any(one.start.content == position.content for one in self._looks.values())

    def _is_held(self, reading: Reading, key: str, position: Position) -> bool:
        """True when the file that a position was reached in is there as it was, or has only grown."""
        name = reading.name_of(key)
        if name is None:
            return False
        path, found = Path(reading.found[name]), self._format(name)
        try:
            if stat_fingerprint(path.stat()) == position.stat:
                return True
            extent = measure(path, found.compression)
            if isinstance(extent, Fault) or extent.size < position.offset:
                return False
            stream = open_text(path, found.compression, extent)
        except (OSError, FileChanged):
            return False
        trail = Trail()
        trail.follow(stream, position.offset)
        stream.close()
        return trail.digest() == (position.head, position.content)

    def _end(self, name: str, path: str, taken: Taken, look: TextLook, reading: Reading) -> None:
        """Remember where a read has ended."""
        self._looks[name] = look
        if taken.is_limited:
            reading.more = True
            self._looks[name] = replace(look, start=replace(taken.position, stat=BEGUN))
            reading.ledger.move(name, self._looks[name].start)
        elif taken.waits and not self._is_given_up(name, path, look):
            self._tails[name] = look.stat
            reading.ledger.move(name, taken.position)
        else:
            if taken.waits:
                line = taken.position.lines + 1
                reading.notes.append(f"{name}: line {line}, the last, is not whole; it waits for its end")
            self._settle(name, look, reading)

    def _is_given_up(self, name: str, path: str, look: TextLook) -> bool:
        """True when a last line that is not whole has been looked at for long enough."""
        return self._is_final(name, path, look.stat)

    def _is_final(self, name: str, path: str, stat: str) -> bool:
        return self._of_tails.is_over(name, stat, Path(path).stat().st_mtime)

    def _settle(self, name: str, look: TextLook, reading: Reading) -> None:
        """Nothing more is to be read until the file changes, or until what is cut off is whole."""
        ledger, position = reading.ledger, look.start
        if not look.extent.cut_off:
            ledger.move(name, replace(position, stat=look.stat))
            reading.checked[name] = None
            self.forget(name)
            return
        if ledger.known(name) is None and position != ledger.positions.of(name):
            ledger.move(name, replace(position, stat=UNSETTLED))
        message = "the file ends in the middle: it is being written or was cut off"
        content = fingerprint(f"{look.extent.packed}".encode())
        self._be_patient(name, Fault("truncated", message, content), look.stat, reading)

    def _be_patient(self, name: str, fault: Fault, stat: str, reading: Reading) -> None:
        """Wait for a file that cannot be read as it is, and set it aside in the end, once."""
        done = Done(stat, fault.content, None)
        if self._is_known(name, done, reading) or not self._of_faults.is_over(name, stat, float("inf")):
            return
        position = reading.ledger.positions.of(name)
        before = f"; {position.rows} rows of it had been read before" if position and position.rows else ""
        self._set_aside(name, done, fault.reason, fault.message + before, reading)

    def _is_known(self, name: str, done: Done, reading: Reading) -> bool:
        """True when the file was set aside for the same content before."""
        known = reading.ledger.known(name)
        if known is None or known.rows is not None or not known.content == done.content != NO_CONTENT:
            return False
        reading.ledger.refresh(name, done.stat)
        reading.checked[name] = None
        return True

    def _set_aside(self, name: str, done: Done, reason: str, message: str, reading: Reading) -> None:
        reading.set_aside(name, done, reason, message)
        self.forget(name)

"""The heads of the history, kept in a file beside the database: a line for each time that it had grown.

The chain of hashes shows what was changed or taken out of its middle, but nothing in it tells of events
that were cut off at its end. Whoever cuts them off has to find this file, too; whoever may write both
is noticed only by a head that was kept elsewhere.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ctrain.domain.audit import Head
from ctrain.errors import InputError, PermanentError

if TYPE_CHECKING:
    from ctrain.ports import Store

HEADS = "history-heads.jsonl"
LONGEST_LINE_BYTES = 4096


class HeadFile:
    """Appends heads and reads them back; several processes may do both."""

    def __init__(self, home: Path) -> None:
        self.path = home / HEADS

    def heads(self) -> Iterator[Head]:
        """The heads that are there now in the order they were noted, read one at a time.

        Those that are noted later are left out: a history that was looked at before lacks their events.

        Raises
        ------
        InputError
            when a line is none of ours; a last one that was cut off by a crash is passed over.
        """
        return self._first(self.path.stat().st_size if self.path.exists() else 0)

    def _first(self, size: int) -> Iterator[Head]:
        """The heads of the first ``size`` bytes."""
        if not size:
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE_BYTES), b""), start=1):
                if file.tell() > size:
                    return
                if line.endswith(b"\n"):
                    yield self._parsed(line, number)
                elif len(line) == LONGEST_LINE_BYTES:
                    raise InputError(f"{self.path}:{number}: this is no line of heads")

    def note(self, store: Store, now: datetime) -> Head | None:
        """Append the newest event if there is one that was not noted; return what was appended.

        Raises
        ------
        PermanentError
            when the history does not lead from the head that was noted last to the present one.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = self._last(file)
            head = self._present(store, last, now)
            if head is not None:
                file.seek(0, os.SEEK_END)
                line = json.dumps({**asdict(head), "at": head.at.isoformat()})
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            return head

    def _present(self, store: Store, last: Head | None, now: datetime) -> Head | None:
        with store.read() as tx:
            newest = tx.newest_link()
            number, events = (0, 0) if last is None else (last.number, last.events)
            noted = tx.links(number - 1, 1) if last is not None else []
            grown_by = tx.count_links(number)
        if last is not None and (newest is None or not noted or noted[0].hash != last.hash):
            raise PermanentError(
                f"the history does not hold event {last.number} as {self.path} has it from "
                f"{last.at:%Y-%m-%d %H:%M} UTC: `ctrain audit verify` says more"
            )
        if newest is None or newest.number == number:
            return None
        return Head(newest.number, newest.hash, events + grown_by, now)

    def _last(self, file: BinaryIO) -> Head | None:
        """The last whole line; what a crash has left behind it is cut off."""
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - LONGEST_LINE_BYTES)
        file.seek(start)
        whole, newline, torn = file.read().rpartition(b"\n")
        if torn:
            file.truncate(size - len(torn))
        return self._parsed(whole.rpartition(b"\n")[2], 0) if newline else None

    def _parsed(self, line: bytes, number: int) -> Head:
        try:
            found = json.loads(line)
            at = datetime.fromisoformat(found["at"])
            return Head(int(found["number"]), str(found["hash"]), int(found["events"]), at)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            place = f":{number}" if number else ""
            raise InputError(f"{self.path}{place}: this is no line of heads: {error}") from None

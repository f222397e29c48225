"""One read of a source while it goes on: what it has found, and what it will remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ctrain.domain import RejectedFile, RejectedLine, SourceBatch, SourceRead
from ctrain.sources.cursor import Done, Ledger
from ctrain.sources.fingerprints import StatFacts, fingerprint

MOST_IGNORED = 200
NO_CONTENT = " " * 8


class FileKind(Protocol):
    """How the files of one kind are looked into and read."""

    def inspect(self, name: str, path: str, stat: str, reading: Reading) -> SortKey | None:
        """Return the place of a file in the order of reading; None when there is nothing to read.

        Raises
        ------
        FileNotFoundError
            when the file has gone.
        """

    def take(self, name: str, path: str, reading: Reading) -> None:
        """Read rows of one file until it or the room ends."""

    def forget(self, name: str) -> None:
        """Let go of what was kept of a file that was set aside, or is done."""

    def release(self) -> None:
        """Let go of the contents that were held for this read."""


Checked = dict[str, StatFacts | None]
"""Files that need no look for a while, and as what each was seen then, if that is known."""
SortKey = tuple[bool, int]
"""Files without a known first event come last; the others by its microseconds since 1970."""


def sort_key(first_event: int | None) -> SortKey:
    return first_event is None, first_event or 0


@dataclass(slots=True)
class Reading:
    """What one read has found so far."""

    ledger: Ledger
    checked: Checked
    found: Mapping[str, str]
    """All files of the source: names and paths."""
    room: int
    batches: list[SourceBatch] = field(default_factory=list)
    rejected: list[RejectedFile] = field(default_factory=list)
    lines: list[RejectedLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: bool = False
    _names: dict[str, str] | None = None

    def name_of(self, key: str) -> str | None:
        """Return the file whose name has this fingerprint, if it is there."""
        if self._names is None:
            self._names = {fingerprint(name.encode()): name for name in self.found}
        return self._names.get(key)

    def set_aside(self, name: str, done: Done, reason: str, message: str) -> None:
        """Remember that a whole file cannot be used, and say so."""
        text = f"{name}: {message}. The file is set aside; it is read when its content changes"
        self.rejected.append(RejectedFile(name, reason, text))
        self.finish(name, done)

    def finish(self, name: str, done: Done) -> None:
        self.ledger.finish(name, done)
        self.checked[name] = None

    def note_unused(self, name: str, columns: Sequence[str]) -> tuple[str, ...]:
        """Note columns that the policy does not use, once; return those that no earlier file had."""
        fresh = tuple(one for one in columns if one not in self.ledger.ignored)
        if not fresh or len(self.ledger.ignored) >= MOST_IGNORED:
            return ()
        names = ", ".join(repr(one) for one in fresh)
        self.notes.append(f"{name}: columns that the policy does not use are ignored: {names}")
        self.ledger.ignore((*self.ledger.ignored, *fresh))
        return fresh if self.ledger.has_read else ()

    def result(self) -> SourceRead:
        return SourceRead(
            tuple(self.batches),
            self.ledger.cursor(),
            tuple(self.rejected),
            tuple(self.notes),
            self.more,
            tuple(self.lines),
        )

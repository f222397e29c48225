"""How far each file of text has been read, in 60 characters a file.

A file is recognised by what was read of it, not by its name: the first ``HEAD_BYTES`` and both ends of
what lies before the position. So a log that was renamed, or compressed, or copied and emptied by
rotation is read on where it was left, and one that was rewritten is read again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.sources.fingerprints import fingerprint

if TYPE_CHECKING:
    from ctrain.sources.streams import TextStream

HEAD_BYTES = 4096
END_BYTES = 512 * 2**10
"""So much at each end of what was read must be the same; a change between them is not seen."""
ENTRY = 60
KEY = 8
UNSETTLED = " " * 8
"""In the place of the stat fingerprint: there is something to wait for."""
BEGUN = "-" * 8
"""In the same place: a limit ended the read, this file goes on before any other."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file has been read; counts are of text, decompressed."""

    stat: str = UNSETTLED
    head: str = " " * KEY
    content: str = " " * KEY
    offset: int = 0
    rows: int = 0
    """Rows that were handed on."""
    lines: int = 0
    """Lines that were read."""
    header: int = 0
    """Which of the cursor's headers is the file's."""

    def packed(self) -> str:
        numbers = base64.b64encode(
            b"".join(
                number.to_bytes(size, "big")
                for number, size in ((self.offset, 6), (self.rows, 6), (self.lines, 6), (self.header, 3))
            )
        ).decode()
        return f"{self.stat}{self.head}{self.content}{numbers}"

    @classmethod
    def unpack(cls, text: str) -> Position:
        numbers = base64.b64decode(text[24:])
        edges = ((0, 6), (6, 12), (12, 18), (18, 21))
        return cls(
            text[:8],
            text[8:16],
            text[16:24],
            *(int.from_bytes(numbers[first:last], "big") for first, last in edges),
        )


class Positions:
    """The positions of all files by the fingerprint of their names."""

    def __init__(self, text: str = "") -> None:
        entries = (text[at : at + ENTRY] for at in range(0, len(text), ENTRY))
        self._entries = {entry[:KEY]: entry[KEY:] for entry in entries}
        self._heads: dict[int, dict[str, set[str]]] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def text(self) -> str:
        return "".join(key + entry for key, entry in self._entries.items())

    def of(self, name: str) -> Position | None:
        entry = self._entries.get(fingerprint(name.encode()))
        return Position.unpack(entry) if entry is not None else None

    def put(self, name: str, position: Position) -> None:
        key = fingerprint(name.encode())
        self._entries[key] = position.packed()
        self._index(key, position)

    def set_free(self, name: str) -> None:
        """Keep the position in content that the file no longer has, for the file that has it now."""
        before = self._entries.pop(fingerprint(name.encode()), None)
        if before is not None:
            position = Position.unpack(before)
            key = fingerprint(f"was {position.content}".encode())
            self._entries[key] = before
            self._index(key, position)

    def keep_only(self, names: Mapping[str, object]) -> None:
        """Drop files that are gone, and positions without a name."""
        kept = {fingerprint(name.encode()) for name in names}
        self._entries = {key: entry for key, entry in self._entries.items() if key in kept}
        self._heads = None

    def candidates(self, head: bytes, size: int) -> list[Position]:
        """Return the positions in files that begin like this one and are no longer, nearest first."""
        heads = self._by_head()
        keys = {
            key
            for length, digest in _digests(head, sorted(heads))
            for key in heads[length].get(digest, ())
            if key in self._entries
        }
        found = (Position.unpack(self._entries[key]) for key in keys)
        return sorted((one for one in found if one.offset <= size), key=lambda one: one.offset)

    def _by_head(self) -> dict[int, dict[str, set[str]]]:
        if self._heads is None:
            self._heads = {}
            for key, entry in self._entries.items():
                self._index(key, Position.unpack(entry))
        return self._heads

    def _index(self, key: str, position: Position) -> None:
        """What an entry was before stays in the index: the content is compared whole in any case."""
        if self._heads is not None and position.offset:
            length = min(position.offset, HEAD_BYTES)
            self._heads.setdefault(length, {}).setdefault(position.head, set()).add(key)


class Prefix:
    """Fingerprints of what lies before positions of one stream, asked for in their order."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self.first = stream.read(END_BYTES)
        self._trail = Trail()
        self._trail.add(self.first)

    def at(self, offset: int) -> tuple[str, str]:
        """Return the fingerprints of the head and of the content before an offset."""
        if offset > self._stream.position:
            self._trail.skip(max(offset - END_BYTES - self._stream.position, 0))
            self._stream.skip_to(max(offset - END_BYTES, self._stream.position))
            self._trail.add(self._stream.read(offset - self._stream.position))
        return self._trail.digest(offset)

    def following(self, offset: int, size: int) -> bytes:
        """Return what lies behind an offset that was asked for last, as far as it is at hand."""
        if offset < len(self.first):
            return self.first[offset : offset + size]
        return self._stream.read(size) if self._stream.position == offset else b""


class Trail:
    """Both ends of what has gone by."""

    def __init__(self) -> None:
        self._first = self._last = b""
        self._end = 0

    def add(self, data: bytes) -> None:
        self._first += data[: END_BYTES - len(self._first)]
        self._last = data[-END_BYTES:] if len(data) >= END_BYTES else (self._last + data)[-END_BYTES:]
        self._end += len(data)

    def skip(self, size: int) -> None:
        """Leave bytes out that are at neither end."""
        self._end += size
        self._last = b"" if size else self._last

    def digest(self, offset: int) -> tuple[str, str]:
        """Return the fingerprints of the head and of all before an offset at one of the ends."""
        held_from = self._end - len(self._last)
        digest = hashlib.blake2b(offset.to_bytes(8, "big") + self._first[:offset], digest_size=6)
        if offset > END_BYTES:
            digest.update(self._last[max(offset - END_BYTES - held_from, 0) : offset - held_from])
        content = base64.b64encode(digest.digest()).decode()
        return fingerprint(self._first[: min(offset, HEAD_BYTES)]), content


def _digests(head: bytes, lengths: list[int]) -> Iterator[tuple[int, str]]:
    running, done = hashlib.blake2b(digest_size=6), 0
    for length in lengths:
        if length > len(head):
            return
        running.update(head[done:length])
        done = length
        yield length, base64.b64encode(running.copy().digest()).decode()

"""How far each file of text has been read, in 60 characters a file.

A file is recognised by what was read of it, not by its name. So a log that was renamed, or compressed,
or copied and emptied by rotation is read on where it was left, and one that was rewritten is read again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.sources.fingerprints import fingerprint
from ctrain.sources.streams import CHUNK_BYTES

if TYPE_CHECKING:
    from ctrain.sources.streams import TextStream

HEAD_BYTES = 4096
"""By the fingerprint of so much, files that may be the same are found."""
WHOLE_BYTES = 32 * 2**20
TAIL_BYTES = 512 * 2**10
"""So much from the beginning, and behind that so much before the position, must be the same."""
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

    def candidates(self, head: bytes, size: int) -> list[tuple[str, Position]]:
        """Return the positions in files that begin like this one and are no longer, nearest first.

        Each comes with the fingerprint of the name under which it is kept.
        """
        heads = self._by_head()
        keys = {
            key
            for length, digest in _digests(head, sorted(heads))
            for key in heads[length].get(digest, ())
            if key in self._entries
        }
        found = ((key, Position.unpack(self._entries[key])) for key in keys)
        return sorted((one for one in found if one[1].offset <= size), key=lambda one: one[1].offset)

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


class Trail:
    """What has gone by of a file, as far as it takes to know it again."""

    def __init__(self) -> None:
        self._head = hashlib.blake2b(digest_size=6)
        self._whole = hashlib.blake2b(digest_size=6)
        self._tail = b""
        self.end = 0

    def copy(self) -> Trail:
        other = Trail()
        other._head, other._whole = self._head.copy(), self._whole.copy()
        other._tail, other.end = self._tail, self.end
        return other

    def add(self, data: bytes) -> None:
        view = memoryview(data)
        if self.end < HEAD_BYTES:
            self._head.update(view[: HEAD_BYTES - self.end])
        if self.end < WHOLE_BYTES:
            self._whole.update(view[: WHOLE_BYTES - self.end])
        if self.end + len(data) > WHOLE_BYTES:
            beyond = view[max(WHOLE_BYTES - self.end, 0) :]
            self._tail = (self._tail + bytes(beyond[-TAIL_BYTES:]))[-TAIL_BYTES:]
        self.end += len(data)

    def follow(self, stream: TextStream, offset: int) -> None:
        """Go on to an offset of the stream, reading what counts."""
        while (missing := min(offset, WHOLE_BYTES) - self.end) > 0:
            if not (data := stream.read(min(CHUNK_BYTES, missing))):
                return
            self.add(data)
        if offset - TAIL_BYTES > self.end:
            stream.skip_to(offset - TAIL_BYTES)
            self._tail, self.end = b"", stream.position
        self.add(stream.read(offset - self.end))

    def digest(self) -> tuple[str, str]:
        """Return the fingerprints of the head, and of all before the end."""
        whole = self._whole.copy()
        whole.update(self._tail + self.end.to_bytes(8, "big"))
        return _encoded(self._head), _encoded(whole)


def _digests(head: bytes, lengths: list[int]) -> Iterator[tuple[int, str]]:
    running, done = hashlib.blake2b(digest_size=6), 0
    for length in lengths:
        if length > len(head):
            return
        running.update(head[done:length])
        done = length
        yield length, _encoded(running)


def _encoded(state: hashlib.blake2b) -> str:
    return base64.b64encode(state.digest()).decode()

"""The text in a file from its beginning, whatever it is compressed with.

Of a compressed file only whole gzip members and zstd frames count, checksums included: what is
being written, or was cut off, comes when it is whole. Members that are appended are read on.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO, IOBase
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from ctrain.sources.formats import Compression
from ctrain.sources.parquet import Fault
from ctrain.sources.zstd_frames import whole_frames_end

CHUNK_BYTES = 2**20
HELD_BYTES = 32 * 2**20
"""Text of a compressed file is held up to this size, so that it is not decompressed again."""


BOMB_BYTES = 256 * 2**20
"""Text that unpacks to less than this is no bomb, however small it was packed."""
MOST_UNPACKED = 200
"""So many times its own size a compressed file may unpack to; logs come to 10 to 50 times."""


class TextStream(Protocol):
    """Bytes of text in their order."""

    position: int

    def read(self, size: int) -> bytes:
        """Return that many bytes, fewer only at the end."""

    def skip_to(self, position: int) -> None:
        """Go forward."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Extent:
    """How far a file can be read."""

    size: int
    """Bytes of text."""
    packed: int
    """Bytes of the file that hold them."""
    cut_off: bool = False
    """Something follows that is not whole."""
    inode: int = 0
    held: bytes | None = None


class FileChanged(Exception):
    """Another file has the name since it was measured: look again."""


class PlainStream:
    """A file that is text, up to the size that it had."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.position = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(max(min(size, self._size - self.position), 0))
        self.position += len(data)
        return data

    def skip_to(self, position: int) -> None:
        self.position = self._file.seek(position)

    def close(self) -> None:
        self._file.close()


class UnpackedStream:
    """Text that comes in chunks of any size."""

    def __init__(self, file: BinaryIO, chunks: Iterator[bytes]) -> None:
        self._file = file
        self._chunks = chunks
        self._rest = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing > 0:
            part = self._rest or next(self._chunks, b"")
            if not part:
                break
            parts.append(part[:missing])
            self._rest = part[missing:]
            missing -= len(parts[-1])
        self.position += size - missing
        return b"".join(parts)

    def skip_to(self, position: int) -> None:
        while self.position < position and self.read(min(CHUNK_BYTES, position - self.position)):
            pass

    def close(self) -> None:
        self._file.close()


def measure(path: Path, compression: Compression) -> Extent | Fault:
    """Return how much whole text a file holds; compressed ones are read through.

    Raises
    ------
    FileNotFoundError
        when the file has gone.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            size = found.st_size
            if not compression:
                return Extent(size, size, inode=found.st_ino)
            extent = _measure_gzip(file, size) if compression == "gzip" else _measure_zstd(file, size)
            return extent if isinstance(extent, Fault) else replace(extent, inode=found.st_ino)
    except FileNotFoundError:
        raise
    except OSError as error:
        return Fault("unreadable", f"the file cannot be read ({error.strerror or error})")


def open_text(path: Path, compression: Compression, extent: Extent) -> TextStream:
    """Open the text of a file that was measured.

    Raises
    ------
    FileChanged
        when the name stands for another file now.
    """
    if extent.held is not None:
        return PlainStream(BytesIO(extent.held), extent.size)
    file = path.open("rb")
    found = os.fstat(file.fileno())
    if found.st_ino != extent.inode or found.st_size < extent.packed:
        file.close()
        raise FileChanged(path)
    if not compression:
        return PlainStream(file, extent.size)
    if compression == "gzip":
        return UnpackedStream(file, (text for text, _ in _inflate(file, extent.packed) if text))
    return UnpackedStream(file, _unpack_zstd(file, extent.packed))


def _measure_gzip(file: BinaryIO, size: int) -> Extent | Fault:
    whole = text = packed = 0
    kept: list[bytes] = []
    try:
        for part, member_end in _inflate(file, size):
            text += len(part)
            if _is_bomb(text, size):
                return _bomb(size)
            if text <= HELD_BYTES:
                kept.append(part)
            if member_end is not None:
                whole, packed = text, member_end
    except zlib.error as error:
        return Fault("damaged", f"the gzip is damaged ({error})")
    held = b"".join(kept)[:whole] if whole <= HELD_BYTES else None
    return Extent(whole, packed, packed < size, held=held)


def _is_bomb(text: int, size: int) -> bool:
    return text > BOMB_BYTES and text > MOST_UNPACKED * size


def _bomb(size: int) -> Fault:
    return Fault(
        "damaged", f"its {size} bytes unpack to more than {MOST_UNPACKED} times as many; it is not read"
    )


def _inflate(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int | None]]:
    """Yield text, and with the last of a member where in the file the member ends.

    Zeros behind a member are padding.
    """
    member = zlib.decompressobj(wbits=31)
    pending, read, between = b"", 0, True
    while pending or read < size:
        if not pending:
            pending = file.read(min(CHUNK_BYTES // 4, size - read))
            read += len(pending)
            if not pending:
                return
        if between:
            pending = pending.lstrip(b"\0")
            yield b"", read - len(pending)
        between = between and not pending
        text = member.decompress(pending, CHUNK_BYTES)
        if member.eof:
            pending = member.unused_data
            yield text, read - len(pending)
            member, between = zlib.decompressobj(wbits=31), True
        else:
            pending = member.unconsumed_tail
            yield text, None


def _measure_zstd(file: BinaryIO, size: int) -> Extent | Fault:
    packed = whole_frames_end(file, size)
    if packed is None:
        return Fault("damaged", "the file is not zstd")
    text = 0
    kept: list[bytes] = []
    try:
        for part in _unpack_zstd(file, packed):
            text += len(part)
            if _is_bomb(text, size):
                return _bomb(size)
            if text <= HELD_BYTES:
                kept.append(part)
    except (pa.ArrowException, OSError) as error:
        return Fault("damaged", f"the zstd is damaged ({error})")
    held = b"".join(kept) if text <= HELD_BYTES else None
    return Extent(text, packed, packed < size, held=held)


def _unpack_zstd(file: BinaryIO, size: int) -> Iterator[bytes]:
    file.seek(0)
    if not size:
        return
    with pa.CompressedInputStream(pa.PythonFile(_Bounded(file, size), mode="r"), "zstd") as stream:
        while text := stream.read(CHUNK_BYTES):
            yield text


class _Bounded(IOBase):
    """The first bytes of a file, as pyarrow reads them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def readable(self) -> bool:
        return True

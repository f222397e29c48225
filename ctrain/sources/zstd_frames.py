"""Where the whole frames of a zstd file end, found from the sizes of their blocks (RFC 8878)."""

from __future__ import annotations

from typing import BinaryIO

_MAGIC = 0xFD2FB528
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_CHECKSUM_BYTES = 4
_RLE = 1


def whole_frames_end(file: BinaryIO, size: int) -> int | None:
    """Return where the last whole frame ends; None when something else than a frame is found."""
    end = 0
    while end < size:
        file.seek(end)
        magic = int.from_bytes(head := file.read(4), "little")
        if len(head) < len(b"head"):
            break
        if magic in _SKIPPABLE:
            following = _end_of_skippable(file, end)
        elif magic == _MAGIC:
            following = _end_of_frame(file, end + 4)
        else:
            return None
        if following is None or following > size:
            break
        end = following
    return end


def _end_of_skippable(file: BinaryIO, start: int) -> int | None:
    length = file.read(4)
    return start + 8 + int.from_bytes(length, "little") if len(length) == len(b"size") else None


def _end_of_frame(file: BinaryIO, start: int) -> int | None:
    descriptor = file.read(1)
    if not descriptor:
        return None
    flags = descriptor[0]
    is_single_segment = bool(flags & 0x20)
    content_size = (int(is_single_segment), 2, 4, 8)[flags >> 6]
    dictionary_id = (0, 1, 2, 4)[flags & 0x03]
    at = start + 1 + (not is_single_segment) + dictionary_id + content_size
    is_last = False
    while not is_last:
        file.seek(at)
        header = file.read(3)
        if len(header) < len(b"hdr"):
            return None
        bits = int.from_bytes(header, "little")
        is_last = bool(bits & 1)
        at += 3 + (1 if bits >> 1 & 3 == _RLE else bits >> 3)
    return at + _CHECKSUM_BYTES * bool(flags & 0x04)

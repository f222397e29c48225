"""Arrow that takes far more memory than it has bytes: recognised before it is unpacked.

A stream may be compressed, and a value that many rows refer to (of a dictionary, or by views) is there once
until the rows are written out.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.rows.casting import ArrowArray

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
"""Kinds of messages in Arrow's Message.fbs."""
_HEADER_TYPE, _HEADER = 1, 2
_DATA_OF_DICTIONARY, _COMPRESSION = 1, 3
"""Numbers of fields in DictionaryBatch and RecordBatch."""
_VIEW_WORDS = 4
"""32-bit words of a view, of which the first is the length."""


def is_compressed(metadata: bytes) -> bool:
    """Return True when the buffers of a message are compressed; its metadata is a flatbuffer.

    Raises
    ------
    ValueError
        when it is not.
    """
    try:
        message = _u32(metadata, 0)
        kind, header = _field(metadata, message, _HEADER_TYPE), _table(metadata, message, _HEADER)
        if not kind or not header:
            return False
        found = metadata[kind]
        if found == _DICTIONARY_BATCH:
            header = _table(metadata, header, _DATA_OF_DICTIONARY)
        elif found != _RECORD_BATCH:
            return False
        return bool(header and _field(metadata, header, _COMPRESSION))
    except (struct.error, IndexError) as error:
        raise ValueError(f"a message is damaged: {error}") from None


def decoded_bytes(array: ArrowArray) -> int:
    """Return how many bytes the values take once each row has its own; 0 where they have them now."""
    if isinstance(array, pa.DictionaryArray):
        lengths = _lengths(array.dictionary)
        indices: ArrowArray = pc.fill_null(array.indices.cast(pa.int64()), pa.scalar(0))
        taken = np.asarray(indices.to_numpy(zero_copy_only=False))
        return int(lengths[taken].sum()) if len(lengths) else 0
    return int(_lengths(array).sum()) if _is_view(array.type) else 0


def _lengths(array: ArrowArray) -> npt.NDArray[np.int64]:
    kind = array.type
    if _is_view(kind):
        words = np.frombuffer(array.buffers()[1], dtype=np.int32)[::_VIEW_WORDS]
        found = words[array.offset : array.offset + len(array)].astype(np.int64)
        return np.where(np.asarray(array.is_valid()), found, 0)
    if pa.types.is_fixed_size_binary(kind):
        return np.full(len(array), kind.byte_width, dtype=np.int64)
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or _is_large(kind):
        lengths: ArrowArray = pc.fill_null(pc.binary_length(array).cast(pa.int64()), pa.scalar(0))
        return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.full(len(array), 8, dtype=np.int64)


def _is_view(kind: pa.DataType) -> bool:
    return pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)


def _is_large(kind: pa.DataType) -> bool:
    return pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)


def _table(data: bytes, at: int, number: int) -> int:
    """Where the table begins to which a field refers; 0 without one."""
    place = _field(data, at, number)
    return place + _u32(data, place) if place else 0


def _field(data: bytes, at: int, number: int) -> int:
    """Where a field of the table at ``at`` lies; 0 when the table has none."""
    (back,) = struct.unpack_from("<i", data, at)
    fields = at - back
    (size,) = struct.unpack_from("<H", data, fields)
    entry = 4 + 2 * number
    if entry >= size:
        return 0
    (offset,) = struct.unpack_from("<H", data, fields + entry)
    return at + int(offset) if offset else 0


def _u32(data: bytes, at: int) -> int:
    (found,) = struct.unpack_from("<I", data, at)
    return int(found)

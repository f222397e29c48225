"""Columns of any source type as the row log's types; what cannot be cast is marked, never guessed.
Dates and instants are cast in ``instants``.

Every function returns the values and, as a boolean array, which of them had to be left null because
they mean nothing. Missing values (null, NaN, an empty text for a number) are null and not marked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ArrowArray = Any
"""An Arrow array; the stubs of pyarrow know too few of the arguments that its kernels take."""
Mask = npt.NDArray[np.bool_]
TRUE_WORDS = ("true", "t", "yes", "y", "on", "1", "1.0")
FALSE_WORDS = ("false", "f", "no", "n", "off", "0", "0.0")
_UUID = "arrow.uuid"

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


class Cast(NamedTuple):
    values: ArrowArray
    bad: Mask


def cast_number(array: ArrowArray) -> Cast:
    """Return float64 values; NaN is null, infinities stay."""
    array = plain_values(array)
    if is_text(array.type):
        return _cast_number_texts(array)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return Cast(_without_nan(array.cast(pa.float64(), safe=False)), none_bad(array))


def cast_text(array: ArrowArray) -> Cast:
    """Return texts; whole numbers read the same whether they came as integers, floats or decimals."""
    array = plain_values(array)
    kind = array.type
    if pa.types.is_floating(kind):
        return Cast(_cast_floats_to_text(_without_nan(array.cast(pa.float64()))), none_bad(array))
    if pa.types.is_decimal(kind):
        return Cast(_without_zeros(array.cast(pa.string())), none_bad(array))
    if pa.types.is_fixed_size_binary(kind):
        return Cast(
            pa.array([None if one is None else one.hex() for one in array.to_pylist()], pa.string()),
            none_bad(array),
        )
    try:
        return Cast(array.cast(pa.string()), none_bad(array))
    except pa.ArrowInvalid:
        return cast_each(array, pa.string(), lambda value: value.decode())


def cast_boolean(array: ArrowArray) -> Cast:
    """Return 1 and 0 as float64, from booleans, the numbers 0 and 1, and words that mean one of them."""
    array = plain_values(array)
    if is_text(array.type):
        words = without_blanks(array)
        truth = pc.is_in(words, value_set=pa.array(TRUE_WORDS))
        known = pc.or_(truth, pc.is_in(words, value_set=pa.array(FALSE_WORDS)))
        values = pc.if_else(known, truth.cast(pa.float64()), pa.scalar(None, pa.float64()))
        return Cast(values, as_mask(pc.and_(pc.is_valid(words), pc.invert(known))))
    values, _ = cast_number(array)
    wrong = pc.invert(pc.is_in(values, value_set=pa.array([0.0, 1.0, None])))
    return without_bad(values, as_mask(wrong))


def cast_label(array: ArrowArray, task: str) -> Cast:
    """Return labels as the task has them: 0 or 1, a class as text, or a finite number."""
    if task == "multiclass":
        return cast_text(array)
    values, bad = cast_number(_as_truth(plain_values(array)))
    if task == "binary":
        wrong = pc.invert(pc.is_in(values, value_set=pa.array([0.0, 1.0, None])))
    else:
        wrong = pc.invert(pc.is_finite(values))
    return without_bad(values, bad | as_mask(wrong))


def cast_prediction(array: ArrowArray, task: str) -> Cast:
    """Return what production predicted: a probability (or class 0, 1), a class as text, or a number."""
    if task == "multiclass":
        return cast_text(array)
    values, bad = cast_number(_as_truth(plain_values(array)))
    if task == "binary":
        wrong = pc.or_(pc.less(values, pa.scalar(0.0)), pc.greater(values, pa.scalar(1.0)))
    else:
        wrong = pc.invert(pc.is_finite(values))
    return without_bad(values, bad | as_mask(wrong))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values: without a dictionary, and of types known by name what they are made of.

    >>> plain_type(pa.dictionary(pa.int8(), pa.string())), plain_type(pa.uuid())
    (DataType(string), DataType(string))
    """
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if kind.extension_name == _UUID else kind.storage_type
    return kind


def plain_values(array: ArrowArray) -> ArrowArray:
    """Return the values as ``plain_type`` has them."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if not isinstance(array.type, pa.BaseExtensionType):
        return array
    if array.type.extension_name == _UUID:
        return pa.array([None if one is None else str(one) for one in array.to_pylist()], pa.string())
    return array.storage


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are texts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def none_bad(array: ArrowArray) -> Mask:
    """Return marks for an array of which every value could be cast."""
    return np.zeros(len(array), dtype=np.bool_)


def as_mask(array: ArrowArray) -> Mask:
    """Return booleans of Arrow as marks; null is False."""
    known = pc.fill_null(array, False) if array.null_count else array
    return np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _without_nan(values: ArrowArray) -> ArrowArray:
    if not values.null_count and not np.isnan(values.to_numpy()).any():
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def without_bad(values: ArrowArray, bad: Mask) -> Cast:
    """Return the values with null where they are marked."""
    if bad.any():
        values = pc.if_else(pa.array(bad), pa.scalar(None, values.type), values)
    return Cast(values, bad)


def _as_truth(array: ArrowArray) -> ArrowArray:
    """Turn the texts true and false, with white space around them or not, into numbers; leave all else."""
    if not is_text(array.type):
        return array
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(array.cast(pa.string())))
    for word, digit in (("true", "1"), ("false", "0")):
        array = pc.if_else(pc.equal(lower, pa.scalar(word)), digit, array.cast(pa.string()))
    return array


def without_blanks(array: ArrowArray) -> ArrowArray:
    """Return texts in lower case without white space around them; those that stand for nothing are null."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(array.cast(pa.string())))
    return pc.if_else(pc.is_in(texts, value_set=pa.array(["", "nan", "nat"])), None, texts)


def _cast_number_texts(array: ArrowArray) -> Cast:
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    texts = pc.if_else(pc.is_in(pc.utf8_lower(texts), value_set=pa.array(["", "nan"])), None, texts)
    fits = pc.match_substring_regex(texts, _NUMBER)
    bad = as_mask(pc.invert(fits))
    return Cast(pc.if_else(fits, texts, None).cast(pa.string()).cast(pa.float64()), bad)


def _cast_floats_to_text(values: ArrowArray) -> ArrowArray:
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), pa.scalar(2.0**53)))
    integers = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(integers, values.cast(pa.string()))


def _without_zeros(decimals: ArrowArray) -> ArrowArray:
    """Return whole numbers without the zeros behind their point; Arrow writes 0 as ``0E-10``, too."""
    whole: ArrowArray = pc.replace_substring_regex(decimals, r"\.0+$", "")
    return pc.replace_substring_regex(whole, r"^0E-\d+$", "0")


def cast_each(array: ArrowArray, kind: pa.DataType, convert: Callable[[Any], Any]) -> Cast:
    """Cast value by value: slow, and only where the fast way has found something unusual."""
    values: list[Any] = []
    bad = none_bad(array)
    for at, value in enumerate(array.to_pylist()):
        try:
            values.append(None if value is None else convert(value))
        except (ValueError, OverflowError):
            values.append(None)
            bad[at] = True
    return Cast(pa.array(values, kind), bad)

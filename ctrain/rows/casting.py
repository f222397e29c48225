"""Columns of any source type as the row log's types; what cannot be cast is marked, never guessed.

Every function returns the values and, as a boolean array, which of them had to be left null because
they mean nothing. Missing values (null, NaN, an empty text for a number) are null and not marked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ArrowArray = Any
"""An Arrow array; the stubs of pyarrow know too few of the arguments that its kernels take."""
Mask = npt.NDArray[np.bool_]
INSTANT = pa.timestamp("us", tz="UTC")
MICROSECONDS_A_DAY = 86_400_000_000
LAST_DAY = 65_535
"""Days are counted from 1970-01-01 in 16 bits: to 2149."""

TRUE_WORDS = ("true", "t", "yes", "y", "on", "1", "1.0")
FALSE_WORDS = ("false", "f", "no", "n", "off", "0", "0.0")
DAY_SECONDS = 86_400
_UUID = "arrow.uuid"

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_OFFSET = r"\d\d:\d\d.*([Zz]|[+-]\d\d(:?\d\d)?)$"
_DATE = r"^\d{4}-\d\d-\d\d$"
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800
"""Years 1 to 9999."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Cast(NamedTuple):
    values: ArrowArray
    bad: Mask


class CastInstants(NamedTuple):
    values: ArrowArray
    bad: Mask
    naive: Mask
    """Texts without an offset, where no zone is named."""


def cast_number(array: ArrowArray) -> Cast:
    """Return float64 values; NaN is null, infinities stay."""
    array = _plain(array)
    if _is_text(array.type):
        return _cast_number_texts(array)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return Cast(_without_nan(array.cast(pa.float64(), safe=False)), _none(array))


def cast_text(array: ArrowArray) -> Cast:
    """Return texts; whole numbers read the same whether they came as integers or as floats."""
    array = _plain(array)
    kind = array.type
    if pa.types.is_floating(kind):
        return Cast(_cast_floats_to_text(_without_nan(array.cast(pa.float64()))), _none(array))
    if pa.types.is_fixed_size_binary(kind):
        return Cast(
            pa.array([None if one is None else one.hex() for one in array.to_pylist()], pa.string()),
            _none(array),
        )
    try:
        return Cast(array.cast(pa.string()), _none(array))
    except pa.ArrowInvalid:
        return _cast_each(array, pa.string(), lambda value: value.decode())


def cast_boolean(array: ArrowArray) -> Cast:
    """Return 1 and 0 as float64, from booleans, the numbers 0 and 1, and words that mean one of them."""
    array = _plain(array)
    if _is_text(array.type):
        words = _without_blanks(array)
        truth = pc.is_in(words, value_set=pa.array(TRUE_WORDS))
        known = pc.or_(truth, pc.is_in(words, value_set=pa.array(FALSE_WORDS)))
        values = pc.if_else(known, truth.cast(pa.float64()), pa.scalar(None, pa.float64()))
        return Cast(values, _mask(pc.and_(pc.is_valid(words), pc.invert(known))))
    values, _ = cast_number(array)
    wrong = pc.invert(pc.is_in(values, value_set=pa.array([0.0, 1.0, None])))
    return _without_bad(values, _mask(wrong))


def cast_date(array: ArrowArray, zone: str | None) -> Cast:
    """Return days since 1970-01-01 as float64, with the time of day as their fraction.

    A date is a whole number whatever the zone. Instants with an offset count in UTC; those without
    are read in ``zone``, or taken as UTC. Numbers are no dates: nobody knows their unit.
    """
    array = _plain(array)
    if pa.types.is_null(array.type):
        return Cast(array.cast(pa.float64()), _none(array))
    if _is_text(array.type):
        return _cast_date_texts(_without_blanks(array), zone)
    if pa.types.is_date(array.type):
        return Cast(_days(array.cast(pa.date32())), _none(array))
    return _days_of_timestamps(array, zone)


def cast_instant(array: ArrowArray, zone: str | None) -> CastInstants:
    """Return instants in UTC to the microsecond; those without an offset are read in ``zone``.

    In the hour that occurs twice the first is meant; a time that daylight saving skips is the
    instant at which it was skipped. Instants before 1970 or after 2149 are marked.
    """
    array = _plain(array)
    if pa.types.is_null(array.type):
        return CastInstants(array.cast(INSTANT), _none(array), _none(array))
    if _is_text(array.type):
        return _cast_instant_texts(array.cast(pa.string()), zone)
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    values, bad = _cast_timestamps(array, zone)
    return CastInstants(values, bad, _none(array))


def cast_label(array: ArrowArray, task: str) -> Cast:
    """Return labels as the task has them: 0 or 1, a class as text, or a finite number."""
    if task == "multiclass":
        return cast_text(array)
    values, bad = cast_number(_as_truth(_plain(array)))
    if task == "binary":
        wrong = pc.invert(pc.is_in(values, value_set=pa.array([0.0, 1.0, None])))
    else:
        wrong = pc.invert(pc.is_finite(values))
    return _without_bad(values, bad | _mask(wrong))


def cast_prediction(array: ArrowArray, task: str) -> Cast:
    """Return what production predicted: a probability (or class 0, 1), a class as text, or a number."""
    if task == "multiclass":
        return cast_text(array)
    values, bad = cast_number(_as_truth(_plain(array)))
    if task == "binary":
        wrong = pc.or_(pc.less(values, pa.scalar(0.0)), pc.greater(values, pa.scalar(1.0)))
    else:
        wrong = pc.invert(pc.is_finite(values))
    return _without_bad(values, bad | _mask(wrong))


def days_of(instants: ArrowArray) -> npt.NDArray[np.uint16]:
    """Return the days since 1970-01-01 (UTC) of instants without nulls."""
    return (microseconds_of(instants) // MICROSECONDS_A_DAY).astype(np.uint16)


def microseconds_of(instants: ArrowArray) -> npt.NDArray[np.int64]:
    """Return the microseconds since 1970 of instants in UTC without nulls."""
    return np.asarray(instants.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


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


def _plain(array: ArrowArray) -> ArrowArray:
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if not isinstance(array.type, pa.BaseExtensionType):
        return array
    if array.type.extension_name == _UUID:
        return pa.array([None if one is None else str(one) for one in array.to_pylist()], pa.string())
    return array.storage


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _none(array: ArrowArray) -> Mask:
    return np.zeros(len(array), dtype=np.bool_)


def _mask(array: ArrowArray) -> Mask:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _without_nan(values: ArrowArray) -> ArrowArray:
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _without_bad(values: ArrowArray, bad: Mask) -> Cast:
    if bad.any():
        values = pc.if_else(pa.array(bad), pa.scalar(None, values.type), values)
    return Cast(values, bad)


def _as_truth(array: ArrowArray) -> ArrowArray:
    """Turn the texts true and false into numbers; leave everything else."""
    if not _is_text(array.type):
        return array
    lower = pc.utf8_lower(array)
    for word, digit in (("true", "1"), ("false", "0")):
        array = pc.if_else(pc.equal(lower, pa.scalar(word)), digit, array.cast(pa.string()))
    return array


def _without_blanks(array: ArrowArray) -> ArrowArray:
    """Texts in lower case without white space around them; those that stand for nothing are null."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(array.cast(pa.string())))
    return pc.if_else(pc.is_in(texts, value_set=pa.array(["", "nan", "nat"])), None, texts)


def _cast_number_texts(array: ArrowArray) -> Cast:
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    texts = pc.if_else(pc.is_in(pc.utf8_lower(texts), value_set=pa.array(["", "nan"])), None, texts)
    fits = pc.match_substring_regex(texts, _NUMBER)
    bad = _mask(pc.invert(fits))
    return Cast(pc.if_else(fits, texts, None).cast(pa.string()).cast(pa.float64()), bad)


def _cast_floats_to_text(values: ArrowArray) -> ArrowArray:
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), pa.scalar(2.0**53)))
    integers = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(integers, values.cast(pa.string()))


def _cast_timestamps(array: ArrowArray, zone: str | None) -> Cast:
    unit = _PER_SECOND[array.type.unit]
    ticks = array.cast(pa.int64())
    first, end = 0, (LAST_DAY + 1) * 86_400 * unit
    if array.type.tz is None:
        first, end = 86_400 * unit, end - 86_400 * unit
    bad = _mask(pc.or_(pc.less(ticks, pa.scalar(first)), pc.greater_equal(ticks, pa.scalar(end))))
    array = _without_bad(array, bad).values
    if array.type.tz is None:
        array = pc.assume_timezone(array, zone or "UTC", ambiguous="earliest", nonexistent="earliest")
    return Cast(array.cast(INSTANT, safe=False), bad)


def _days(dates: ArrowArray) -> ArrowArray:
    return dates.cast(pa.int32()).cast(pa.float64())


def _days_of_timestamps(array: ArrowArray, zone: str | None) -> Cast:
    unit = _PER_SECOND[array.type.unit]
    ticks = array.cast(pa.int64())
    limits = np.iinfo(np.int64)
    first = max((_FIRST_SECOND + DAY_SECONDS) * unit, int(limits.min))
    end = min((_END_SECOND - DAY_SECONDS) * unit, int(limits.max))
    bad = _mask(pc.or_(pc.less(ticks, pa.scalar(first)), pc.greater_equal(ticks, pa.scalar(end))))
    array = _without_bad(array, bad).values
    if array.type.tz is None:
        array = pc.assume_timezone(array, zone or "UTC", ambiguous="earliest", nonexistent="earliest")
    return Cast(pc.divide(array.cast(pa.int64()).cast(pa.float64(), safe=False), DAY_SECONDS * unit), bad)


def _cast_date_texts(texts: ArrowArray, zone: str | None) -> Cast:
    is_date = pc.match_substring_regex(texts, _DATE)
    has_offset = pc.match_substring_regex(texts, _OFFSET)
    dates = _parse(pc.if_else(is_date, texts, None), pa.date32(), None)
    aware = _parse(pc.if_else(has_offset, pc.utf8_upper(texts), None), INSTANT, ZoneInfo("UTC"))
    local = pc.invert(pc.or_(is_date, has_offset))
    naive = _parse(pc.if_else(local, pc.utf8_upper(texts), None), pa.timestamp("us"), None)
    instants = (_days_of_timestamps(one, its_zone).values for one, its_zone in ((aware, None), (naive, zone)))
    days = pc.coalesce(_days(dates), *instants)
    return Cast(days, _mask(pc.and_(pc.is_valid(texts), pc.is_null(days))))


def _cast_instant_texts(array: ArrowArray, zone: str | None) -> CastInstants:
    array = pc.utf8_trim_whitespace(array)
    has_offset = pc.match_substring_regex(array, _OFFSET)
    aware = _parse(pc.if_else(has_offset, array, None), INSTANT, ZoneInfo("UTC"))
    local = _parse(pc.if_else(pc.invert(has_offset), array, None), pa.timestamp("us"), None)
    unknown = _mask(pc.is_valid(array)) & _mask(pc.and_(pc.is_null(aware), pc.is_null(local)))
    first, far = _cast_timestamps(aware, None)
    second, out = _cast_timestamps(local, zone)
    naive = _mask(pc.is_valid(second)) if zone is None else _none(array)
    instants = first if zone is None else pc.coalesce(first, second)
    return CastInstants(instants, unknown | far | out, naive)


def _parse(texts: ArrowArray, kind: pa.DataType, zone: ZoneInfo | None) -> ArrowArray:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return _cast_each(texts, kind, lambda text: _instant(text, zone)).values


def _instant(text: str, zone: ZoneInfo | None) -> datetime:
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if zone is not None else found


def _cast_each(array: ArrowArray, kind: pa.DataType, convert: Callable[[Any], Any]) -> Cast:
    """Cast value by value: slow, and only where the fast way has found something unusual."""
    values: list[Any] = []
    bad = _none(array)
    for at, value in enumerate(array.to_pylist()):
        try:
            values.append(None if value is None else convert(value))
        except (ValueError, OverflowError):
            values.append(None)
            bad[at] = True
    return Cast(pa.array(values, kind), bad)

"""Dates and instants of any source type as the row log's types; what cannot be cast is marked,
as in ``casting``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.engine.instants import EPOCH
from ctrain.rows.casting import (
    ArrowArray,
    Cast,
    Mask,
    as_mask,
    cast_each,
    is_text,
    none_bad,
    plain_values,
    without_bad,
    without_blanks,
)

INSTANT = pa.timestamp("us", tz="UTC")
MICROSECONDS_A_DAY = 86_400_000_000
LAST_DAY = 65_535
"""Days are counted from 1970-01-01 in 16 bits: to 2149."""
DAY_SECONDS = 86_400
FAR = datetime(9000, 1, 1, tzinfo=UTC)
"""As the present instant: no row lies in the future of it."""
_MICROSECOND = timedelta(microseconds=1)

_OFFSET = r"(\d\d:\d\d.*|[Tt ]\d\d[\d:.,]*\s*)([Zz]|[+-]\d\d(:?\d\d){0,2})$"
"""Behind a time, with colons in it or without."""
_DATE = r"^\d{4}(-\d\d-\d\d|\d{4})$"
_DOTTED = r"^\d\d?\.\d\d?\.\d{4}"
_TO_ISO = (
    (r"^(\d)\.", r"0\1."),
    (r"^(\d\d)\.(\d)\.", r"\1.0\2."),
    (r"^(\d\d)\.(\d\d)\.(\d{4})", r"\3-\2-\1"),
)
"""Day.month.year, which nobody reads otherwise, in steps to ISO 8601; slashes mean one or the other."""
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800
"""Years 1 to 9999."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class CastInstants(NamedTuple):
    values: ArrowArray
    bad: Mask
    naive: Mask
    """Texts without an offset, where no zone is named."""


def cast_date(array: ArrowArray, zone: str | None) -> Cast:
    """Return days since 1970-01-01 as float64, with the time of day as their fraction.

    A date is a whole number whatever the zone. Instants with an offset count in UTC; those without
    are read in ``zone``, or taken as UTC. Numbers are no dates: nobody knows their unit.
    """
    array = plain_values(array)
    if pa.types.is_null(array.type):
        return Cast(array.cast(pa.float64()), none_bad(array))
    if is_text(array.type):
        return _cast_date_texts(without_blanks(array), zone)
    if pa.types.is_date(array.type):
        return Cast(_days(array.cast(pa.date32())), none_bad(array))
    return _days_of_timestamps(array, zone)


def cast_instant(array: ArrowArray, zone: str | None) -> CastInstants:
    """Return instants in UTC to the microsecond; those without an offset are read in ``zone``.

    In the hour that occurs twice the first is meant; a time that daylight saving skips is the
    instant at which it was skipped. Instants before 1970 or after 2149 are marked.
    """
    array = plain_values(array)
    if pa.types.is_null(array.type):
        return CastInstants(array.cast(INSTANT), none_bad(array), none_bad(array))
    if is_text(array.type):
        return _cast_instant_texts(array.cast(pa.string()), zone)
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    values, bad = _cast_timestamps(array, zone)
    return CastInstants(values, bad, none_bad(array))


def days_of(instants: ArrowArray) -> npt.NDArray[np.uint16]:
    """Return the days since 1970-01-01 (UTC) of instants without nulls."""
    return (microseconds_of(instants) // MICROSECONDS_A_DAY).astype(np.uint16)


def as_microseconds(instant: datetime) -> int:
    """Return the microseconds since 1970 of an instant with a time zone."""
    return (instant - EPOCH) // _MICROSECOND


def microseconds_of(instants: ArrowArray) -> npt.NDArray[np.int64]:
    """Return the microseconds since 1970 of instants in UTC without nulls."""
    if isinstance(instants, pa.ChunkedArray):
        return np.asarray(instants.to_numpy()).view(np.int64)
    return np.asarray(instants.view(pa.int64()).to_numpy())


def _cast_timestamps(array: ArrowArray, zone: str | None) -> Cast:
    unit = _PER_SECOND[array.type.unit]
    ticks = array.cast(pa.int64())
    first, end = 0, (LAST_DAY + 1) * 86_400 * unit
    if array.type.tz is None:
        first, end = 86_400 * unit, end - 86_400 * unit
    bad = as_mask(pc.or_(pc.less(ticks, pa.scalar(first)), pc.greater_equal(ticks, pa.scalar(end))))
    array = without_bad(array, bad).values
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
    bad = as_mask(pc.or_(pc.less(ticks, pa.scalar(first)), pc.greater_equal(ticks, pa.scalar(end))))
    array = without_bad(array, bad).values
    if array.type.tz is None:
        array = pc.assume_timezone(array, zone or "UTC", ambiguous="earliest", nonexistent="earliest")
    return Cast(pc.divide(array.cast(pa.int64()).cast(pa.float64(), safe=False), DAY_SECONDS * unit), bad)


def _cast_date_texts(texts: ArrowArray, zone: str | None) -> Cast:
    texts = _with_iso_dates(texts)
    is_date = pc.match_substring_regex(texts, _DATE)
    has_offset = pc.match_substring_regex(texts, _OFFSET)
    dates = _parse(pc.if_else(is_date, texts, None), pa.date32(), None)
    aware = _parse(pc.if_else(has_offset, pc.utf8_upper(texts), None), INSTANT, ZoneInfo("UTC"))
    local = pc.invert(pc.or_(is_date, has_offset))
    naive = _parse(pc.if_else(local, pc.utf8_upper(texts), None), pa.timestamp("us"), None)
    instants = (_days_of_timestamps(one, its_zone).values for one, its_zone in ((aware, None), (naive, zone)))
    days = pc.coalesce(_days(dates), *instants)
    return Cast(days, as_mask(pc.and_(pc.is_valid(texts), pc.is_null(days))))


def _cast_instant_texts(array: ArrowArray, zone: str | None) -> CastInstants:
    array = _with_iso_dates(pc.utf8_trim_whitespace(array))
    has_offset = pc.match_substring_regex(array, _OFFSET)
    aware = _parse(pc.if_else(has_offset, pc.utf8_upper(array), None), INSTANT, ZoneInfo("UTC"))
    local = _parse(pc.if_else(pc.invert(has_offset), array, None), pa.timestamp("us"), None)
    unknown = as_mask(pc.is_valid(array)) & as_mask(pc.and_(pc.is_null(aware), pc.is_null(local)))
    first, far = _cast_timestamps(aware, None)
    second, out = _cast_timestamps(local, zone)
    naive = as_mask(pc.is_valid(second)) if zone is None else none_bad(array)
    instants = first if zone is None else pc.coalesce(first, second)
    return CastInstants(instants, unknown | far | out, naive)


def _with_iso_dates(texts: ArrowArray) -> ArrowArray:
    """Return the texts with ISO dates where the date is day.month.year; the others as they are."""
    dotted = pc.match_substring_regex(texts, _DOTTED)
    if not pc.any(dotted).as_py():
        return texts
    turned = texts
    for pattern, iso in _TO_ISO:
        turned = pc.replace_substring_regex(turned, pattern, iso)
    return pc.if_else(dotted, turned, texts)


def _parse(texts: ArrowArray, kind: pa.DataType, zone: ZoneInfo | None) -> ArrowArray:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return cast_each(texts, kind, lambda text: _instant(text, zone)).values


def _instant(text: str, zone: ZoneInfo | None) -> datetime:
    found = datetime.fromisoformat(text)
    if (found.tzinfo is None) != (zone is None):
        raise ValueError(f"{text!r} has an offset where none was seen, or none where one was")
    return found.astimezone(UTC) if zone is not None else found

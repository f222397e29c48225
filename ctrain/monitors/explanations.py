"""Sentences about what has changed in a column, for the person who is woken by it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from ctrain.stats.binned import quantile_places
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import Floats
from ctrain.stats.distance import shares
from ctrain.stats.grid import CategoricalGrid, ColumnGrid, Counts, NumericGrid

_SMALL_SHIFT = 0.1
"""In standard deviations of the reference, and as the logarithm of a ratio of standard deviations."""
_LONGEST_NAME = 40


def explain_values(grid: ColumnGrid, before: ColumnProfile, now: ColumnProfile) -> str:
    """Return what changed most between two profiles of a column that both have values.

    >>> import pyarrow as pa
    >>> from ctrain.stats.grid import build_grid
    >>> from ctrain.stats.profile import profile_table
    >>> before, now = (pa.table({"x": np.arange(10.0) + by}) for by in (0, 4))
    >>> grid = build_grid(before, ["x"], [])
    >>> explain_values(grid.columns["x"], *(profile_table(one, grid).columns["x"] for one in (before, now)))
    'mean 4.5 -> 8.5 (1.3 standard deviations up)'
    """
    if isinstance(grid, CategoricalGrid):
        return _categories(grid, shares(before.distribution(grid)), shares(now.distribution(grid)))
    if now.infinities / now.values >= before.infinities / before.values + _SMALL_SHIFT:
        return f"infinite values {_percent(before.infinities, before)} -> {_percent(now.infinities, now)}"
    return _constants(grid, before, now) or _moments(grid, before, now) or _stretch(grid, before, now)


def explain_nulls(before: ColumnProfile, now: ColumnProfile) -> str:
    """Return how the share of missing values changed; either profile may have no rows.

    >>> none = np.zeros(0, dtype=np.int64)
    >>> explain_nulls(*(ColumnProfile(1000, nulls, 0, 0, 0, none, none) for nulls in (1, 140)))
    'null rate 0.1 % -> 14 %'
    """
    return f"null rate {percent(before.null_rate)} -> {percent(now.null_rate)}"


def percent(share: float) -> str:
    """Return a share with two digits, as small ones need them.

    >>> percent(0.1234), percent(0.00123), percent(1.0), percent(0.00001)
    ('12 %', '0.12 %', '100 %', '0.001 %')
    """
    if not share or math.isnan(share):
        return "no rows" if math.isnan(share) else "0 %"
    digits = max(0, 1 - math.floor(math.log10(100 * share)))
    text = f"{100 * share:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def _percent(amount: int, column: ColumnProfile) -> str:
    return percent(amount / column.values)


def _categories(grid: CategoricalGrid, before: Floats, now: Floats) -> str:
    """Return the category whose share changed most; the last place is that of all others."""
    change = now - before
    # of one category that rose by what another fell, the one that rose is told
    place = int(np.argmax(np.abs(change) + 1e-9 * (change > 0)))
    if place < len(grid.categories):
        name = f"share of {_short(grid.categories[place])}"
    elif grid.complete:
        name = "share of values that the reference does not have"
    else:
        name = "share of values that are rare in the reference"
    return f"{name} {percent(float(before[place]))} -> {percent(float(now[place]))}"


def _constants(grid: NumericGrid, before: ColumnProfile, now: ColumnProfile) -> str:
    """Return a sentence where one side has a single value, else nothing."""
    if not before.finite or not now.finite:
        return ""
    if before.minimum == before.maximum:
        was = f"always {_number(grid, before.mean)} in the reference"
        if now.minimum == now.maximum:
            return f"{was}, now always {_number(grid, now.mean)}"
        return f"{was}, now {_number(grid, now.minimum)} to {_number(grid, now.maximum)}"
    if now.minimum == now.maximum:
        mean = _number(grid, before.mean)
        return f"always {_number(grid, now.mean)} in the window, mean {mean} in the reference"
    return ""


def _moments(grid: NumericGrid, before: ColumnProfile, now: ColumnProfile) -> str:
    """Return how mean or standard deviation changed, whichever did so more; nothing if neither did."""
    deviation, other = math.sqrt(before.variance), math.sqrt(now.variance)
    if not (0 < deviation < math.inf and 0 < other < math.inf):
        return ""
    shift, ratio = (now.mean - before.mean) / deviation, math.log(other / deviation)
    if abs(ratio) > max(abs(shift), _SMALL_SHIFT):
        return f"standard deviation {deviation:.4g} -> {other:.4g}{_beyond(grid, before, now)}"
    if abs(shift) > _SMALL_SHIFT:
        way = "up" if shift > 0 else "down"
        means = f"mean {_number(grid, before.mean)} -> {_number(grid, now.mean)}"
        return f"{means} ({abs(shift):.1f} standard deviations {way}){_beyond(grid, before, now)}"
    return ""


def _beyond(grid: NumericGrid, before: ColumnProfile, now: ColumnProfile) -> str:
    """Return the extreme value of the window that lies beyond the reference by more than its range."""
    assert before.minimum is not None
    assert before.maximum is not None
    assert now.minimum is not None
    assert now.maximum is not None
    width = before.maximum - before.minimum
    for kind, was, is_now in (
        ("largest", before.maximum, now.maximum),
        ("smallest", -before.minimum, -now.minimum),
    ):
        if is_now > was + width:
            sign = 1 if kind == "largest" else -1
            known = _number(grid, sign * was)
            return f", {kind} value {_number(grid, sign * is_now)} ({known} in the reference)"
    return ""


def _stretch(grid: NumericGrid, before: ColumnProfile, now: ColumnProfile) -> str:
    """Return the quantile bin whose share changed most."""
    counts = before.distribution(grid)
    places = quantile_places(counts)
    width = int(places.max()) + 1
    was, is_now = (
        shares(np.bincount(places, one, width).astype(np.int64)) for one in (counts, now.distribution(grid))
    )
    place = int(np.argmax(np.abs(is_now - was)))
    change = f"{percent(float(was[place]))} -> {percent(float(is_now[place]))}"
    return f"share of {_place(grid, np.flatnonzero(places == place))} {change}"


def _place(grid: NumericGrid, cells: Counts) -> str:
    """Return what a bin holds: a value, the values between two, or what lies between others."""
    if np.any(np.diff(cells) > 1):
        return "values between the usual ones"
    bounds = (-math.inf, *grid.points.tolist(), math.inf)
    low, high = bounds[cells[0] // 2], bounds[(cells[-1] + 1) // 2]
    if low == high:
        return _number(grid, low)
    if math.isinf(low):
        return f"values up to {_number(grid, high)}"
    if math.isinf(high):
        return f"values from {_number(grid, low)}"
    return f"values from {_number(grid, low)} to {_number(grid, high)}"


def _number(grid: NumericGrid, value: float | None) -> str:
    if value is None or grid.reading != "date":
        return f"{value:.4g}" if value is not None else "none"
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=value):%Y-%m-%d}"
    except (OverflowError, ValueError):
        return f"day {value:.4g}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."

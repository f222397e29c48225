"""Drift between two tables or profiles, column by column, with an answer for every column of either.

Numbers are compared by Kolmogorov-Smirnov, strings, booleans and dictionaries by chi-squared, free
text by Kolmogorov-Smirnov of its length, words and shares of kinds of characters. NaN counts as
missing; infinities are the smallest and the largest values. Missing values leave the test of the
values and are tested by themselves: each of the two families of tests (values and missingness) is
corrected by Benjamini-Hochberg. A column that is absent on one side, or whose type changed, is
breached with test ``schema``. Instants, ids and nested values are left out with a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.errors import InputError
from ctrain.monitors.comparison import (
    ColumnComparison,
    Comparison,
    Pair,
    Side,
    as_ks,
    blank_comparison,
    compare_categories,
    compare_nulls,
    compare_schema,
    conclude,
    without_values,
)
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.columns import text_values
from ctrain.stats.free_text import TextStatistic, measure_text
from ctrain.stats.grid import ColumnGrid, NumericGrid, numeric_grid
from ctrain.stats.kinds import is_free_text
from ctrain.stats.raw import Kind, Sample, count_categories, read_sample
from ctrain.stats.screening import TIME_NOTE, id_note
from ctrain.stats.stored_profile import StoredProfile
from ctrain.stats.two_sample import Numbers, ks_exact, ks_from_counts

__all__ = ["ColumnComparison", "Comparison", "compare_profiles", "compare_tables"]

EXACT_UP_TO = 100_000
"""Rows a side up to which values are compared one by one; above that on a grid of the reference."""
DEFAULT_FDR = 0.01
DEFAULT_MIN_EFFECT = 0.1
"""As in a policy: a tenth of the probability has moved. Any real pair of large files differs by less."""


def compare_tables(
    reference: pa.Table,
    current: pa.Table,
    *,
    fdr: float = DEFAULT_FDR,
    min_effect: float = DEFAULT_MIN_EFFECT,
    exact: bool | None = None,
) -> Comparison:
    """Return how each column of ``current`` differs from that of ``reference``.

    Parameters
    ----------
    fdr
        False discovery rate: a column is breached only if its corrected p-value is below.
    min_effect
        The smallest effect that counts: KS distance, total variation distance of the shares of
        categories, or difference of the null rates; all from 0 to 1.
    exact
        Compare numbers one by one (True) or on a grid of 1,024 quantiles of the reference (False);
        by default one by one up to 100,000 rows a side.

    Raises
    ------
    InputError
        When a table has no rows, when no column is in both, or when a name occurs twice.

    Examples
    --------
    >>> found = compare_tables(pa.table({"x": range(100)}), pa.table({"x": range(50, 150)}))
    >>> found.columns[0].test, found.columns[0].effect, found.breached
    ('ks', 0.5, True)

    References
    ----------
    Benjamini, Hochberg (1995). Controlling the false discovery rate. JRSS B 57(1).
    """
    _check(reference.column_names, current.column_names, reference.num_rows, current.num_rows)
    if exact is None:
        exact = max(reference.num_rows, current.num_rows) <= EXACT_UP_TO
    names = _in_order(reference.column_names, current.column_names)
    pairs = [pair for name in names for pair in _compare_column(name, reference, current, exact)]
    return conclude(pairs, fdr, min_effect)


def compare_profiles(
    reference: StoredProfile,
    current: StoredProfile,
    *,
    fdr: float = DEFAULT_FDR,
    min_effect: float = DEFAULT_MIN_EFFECT,
) -> Comparison:
    """Return how each column of ``current`` differs from ``reference``, both counted on one grid.

    As ``compare_tables``, except that a distance may be larger by its ``error_bound``, and
    that categories beyond the 2,000 of the grid are one.

    Raises
    ------
    InputError
        When a profile has no rows, no column is in both, or the grids differ.
    """
    _check(list(reference.types), list(current.types), reference.profile.rows, current.profile.rows)
    if reference.grid.name != current.grid.name:
        raise InputError("profiles on different grids cannot be compared")
    sources: dict[str, list[str]] = {}
    for column, grid in reference.grid.columns.items():
        sources.setdefault(grid.source(column), []).append(column)
    pairs = [
        pair
        for name in _in_order(list(reference.types), list(current.types))
        for pair in _compare_counted(name, sources.get(name, []), reference, current)
    ]
    return conclude(pairs, fdr, min_effect)


def _check(reference: list[str], current: list[str], reference_rows: int, current_rows: int) -> None:
    for side, names, rows in (("reference", reference, reference_rows), ("current", current, current_rows)):
        if rows == 0:
            raise InputError(f"the {side} table has no rows")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"the {side} table has more than one column {twice[0]!r}")
    if not set(reference) & set(current):
        raise InputError(
            f"no columns in common: the reference has {', '.join(reference)}; "
            f"current has {', '.join(current)}"
        )


def _in_order(reference: list[str], current: list[str]) -> list[str]:
    known = set(reference)
    return [*reference, *(name for name in current if name not in known)]


def _compare_column(name: str, reference: pa.Table, current: pa.Table, exact: bool) -> list[Pair]:
    """Return the pair of a column, or of each statistic of a text."""
    before, now = read_sample(reference, name), read_sample(current, name)
    sides = _side_of(before), _side_of(now)
    blank = blank_comparison(name, *sides)
    breach = compare_schema(blank, *sides)
    if before is None or now is None or sides[0] is None or sides[1] is None:
        return [(breach or blank, blank)]
    nulls = compare_nulls(blank, sides[0], sides[1])
    kind = now.kind if before.kind is Kind.EMPTY else before.kind
    untested = breach or without_values(blank, sides[0], sides[1])
    if untested is None and is_free_text(reference.column(name)):
        return _compare_texts(blank, nulls, reference, current, exact)
    note = _left_out_note(kind, sides[0]) or id_note(reference, name)
    if breach is None and note:
        return [(replace(blank, note=note), nulls)]
    if untested is not None:
        return [(untested, nulls)]
    if kind is Kind.NUMBER:
        return [(_compare_numbers(blank, before.numbers(), now.numbers(), exact), nulls)]
    counts = count_categories(before, now)
    unseen = counts[0] == 0
    share = counts[1][unseen].sum() / counts[1].sum()
    notes = [f"new categories: {np.count_nonzero(unseen):,}, {share:.1%} of current"] if share else []
    return [(compare_categories(blank, *counts, notes), nulls)]


def _compare_texts(
    blank: ColumnComparison, nulls: ColumnComparison, reference: pa.Table, current: pa.Table, exact: bool
) -> list[Pair]:
    """Return the pair of each statistic of a text; missingness is that of the first."""
    texts = [pc.drop_null(text_values(table, blank.column)) for table in (reference, current)]
    pairs = []
    for place, statistic in enumerate(TextStatistic):
        one = replace(blank, column=f"{blank.column}.{statistic}")
        x, y = (measure_text(values, statistic) for values in texts)
        missing = one if place else replace(nulls, column=one.column)
        pairs.append((_compare_numbers(one, x, y, exact), missing))
    return pairs


def _side_of(sample: Sample | None) -> Side | None:
    return Side(sample.kind, str(sample.type), sample.rows, sample.n) if sample else None


def _left_out_note(kind: Kind, before: Side) -> str:
    if kind is Kind.TIME:
        return TIME_NOTE
    return f"left out: values of type {before.type} are not compared" if kind is Kind.OTHER else ""


def _compare_numbers(blank: ColumnComparison, x: Numbers, y: Numbers, exact: bool) -> ColumnComparison:
    if exact:
        return as_ks(blank, ks_exact(x, y))
    reference, current = x.astype(np.float64), y.astype(np.float64)
    grid = numeric_grid(reference)
    return as_ks(blank, ks_from_counts(grid.count(reference), grid.count(current)))


def _compare_counted(
    name: str, columns: list[str], reference: StoredProfile, current: StoredProfile
) -> Iterator[Pair]:
    """Yield the pair of each grid column that ``name`` was counted as; at least one."""
    for place, column in enumerate(columns or [name]):
        before, now = _counted_side(name, column, reference), _counted_side(name, column, current)
        blank = blank_comparison(column, before, now)
        breach = compare_schema(replace(blank, column=name), before, now)
        if before is None or now is None:
            yield breach or blank, blank
            return
        nulls = compare_nulls(blank, before, now) if not place else blank
        if breach is not None:
            yield breach, replace(nulls, column=name)
            return
        kind = now.kind if before.kind is Kind.EMPTY else before.kind
        note = _left_out_note(kind, before) or reference.left_out.get(name, "")
        untested = replace(blank, note=note) if note else without_values(blank, before, now)
        if untested is None:
            profiles = reference.profile.columns[column], current.profile.columns[column]
            untested = _compare_counts(blank, reference.grid.columns[column], *profiles)
        yield untested, nulls


def _counted_side(name: str, column: str, stored: StoredProfile) -> Side | None:
    found = stored.types.get(name)
    if found is None:
        return None
    counted = stored.profile.columns.get(column)
    rows = stored.profile.rows
    return Side(found.kind, found.type, rows, counted.values if counted else rows)


def _compare_counts(
    blank: ColumnComparison, grid: ColumnGrid, before: ColumnProfile, now: ColumnProfile
) -> ColumnComparison:
    reference, current = before.distribution(grid), now.distribution(grid)
    if isinstance(grid, NumericGrid):
        return as_ks(blank, ks_from_counts(reference, current))
    share = current[reference == 0].sum() / current.sum()
    notes = [f"new categories: {share:.1%} of current"] if share else []
    return compare_categories(blank, reference, current, notes, rest=True)

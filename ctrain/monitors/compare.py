"""Drift between two tables, column by column, with an answer for every column of either.

Numbers are compared by Kolmogorov-Smirnov, text, booleans and dictionaries by chi-squared. NaN
counts as missing; infinities are the smallest and the largest values. Missing values leave the test
of the values and are tested by themselves: each of the two families of tests (values and
missingness) is corrected by Benjamini-Hochberg. A column that is absent on one side, or whose type
changed, is breached with test ``schema``. Instants, ids and nested values are left out with a note.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ctrain.errors import InputError
from ctrain.stats.grid import numeric_grid
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.raw import Kind, Sample, count_categories, read_sample
from ctrain.stats.screening import TIME_NOTE, id_note
from ctrain.stats.two_sample import chi_squared, ks_exact, ks_from_counts, total_variation

EXACT_UP_TO = 100_000
"""Rows a side up to which values are compared one by one; above that on a grid of the reference."""
NOT_TESTED = "none"
SCHEMA = "schema"
NULLS = "nulls"
DEFAULT_FDR = 0.01
DEFAULT_MIN_EFFECT = 0.1
"""As in a policy: a tenth of the probability has moved. Any real pair of large files differs by less."""


@dataclass(frozen=True, slots=True)
class ColumnComparison:
    """What came of one column; NaN where there is no such number."""

    column: str
    test: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    threshold: float
    breached: bool
    n_reference: int
    n_current: int
    null_rate_reference: float
    null_rate_current: float
    error_bound: float = 0.0
    """How much larger the KS distance may be, for having been taken on a grid."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All columns, in the order of the reference, then those that only the current table has."""

    columns: tuple[ColumnComparison, ...]

    @property
    def breached(self) -> bool:
        return any(column.breached for column in self.columns)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{one.column}: {one.note}" for one in self.columns if one.note)


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
    _check(reference, current)
    if exact is None:
        exact = max(reference.num_rows, current.num_rows) <= EXACT_UP_TO
    known = set(reference.column_names)
    names = [*reference.column_names, *(name for name in current.column_names if name not in known)]
    pairs = [_compare_column(name, reference, current, exact) for name in names]
    values = _corrected([one for one, _ in pairs], fdr, min_effect)
    nulls = _corrected([one for _, one in pairs], fdr, min_effect)
    return Comparison(tuple(map(_united, values, nulls)))


def _check(reference: pa.Table, current: pa.Table) -> None:
    for side, table in (("reference", reference), ("current", current)):
        if table.num_rows == 0:
            raise InputError(f"the {side} table has no rows")
        twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
        if twice:
            raise InputError(f"the {side} table has more than one column {twice[0]!r}")
    if not set(reference.column_names) & set(current.column_names):
        raise InputError(
            f"no columns in common: the reference has {', '.join(reference.column_names)}; "
            f"current has {', '.join(current.column_names)}"
        )


_Pair = tuple[ColumnComparison, ColumnComparison]


def _compare_column(name: str, reference: pa.Table, current: pa.Table, exact: bool) -> _Pair:
    """Return the comparison of the values and that of missingness, neither of them corrected."""
    before, now = read_sample(reference, name), read_sample(current, name)
    blank = _blank(name, before, now)
    if before is None or now is None:
        note = "only in the current table" if before is None else "not in the current table"
        return replace(blank, test=SCHEMA, breached=True, note=note), blank
    nulls = _compare_nulls(blank, before, now)
    if Kind.EMPTY not in {before.kind, now.kind} and before.kind is not now.kind:
        note = f"the type changed from {before.type} to {now.type}"
        return replace(blank, test=SCHEMA, breached=True, note=note), nulls
    kind = now.kind if before.kind is Kind.EMPTY else before.kind
    note = _left_out_note(name, reference, kind, before)
    if note:
        return replace(blank, note=note), nulls
    if not before.n or not now.n:
        sides = [side for side, sample in (("reference", before), ("current", now)) if not sample.n]
        return replace(blank, note=f"no values in {' and '.join(sides)}"), nulls
    if kind is Kind.NUMBER:
        return _compare_numbers(blank, before, now, exact), nulls
    return _compare_categories(blank, before, now), nulls


def _blank(name: str, before: Sample | None, now: Sample | None) -> ColumnComparison:
    nan = math.nan
    return ColumnComparison(
        *(name, NOT_TESTED, nan, nan, nan, nan, nan, False),
        n_reference=before.n if before else 0,
        n_current=now.n if now else 0,
        null_rate_reference=before.null_rate if before else nan,
        null_rate_current=now.null_rate if now else nan,
    )


def _left_out_note(name: str, reference: pa.Table, kind: Kind, before: Sample) -> str:
    if kind is Kind.TIME:
        return TIME_NOTE
    if kind is Kind.OTHER:
        return f"left out: values of type {before.type} are not compared"
    return id_note(reference, name) or ""


def _compare_nulls(blank: ColumnComparison, before: Sample, now: Sample) -> ColumnComparison:
    """Return the test of missingness; without a missing value there is none."""
    missing = [before.rows - before.n, now.rows - now.n]
    if not any(missing):
        return blank
    reference, current = np.array([before.n, missing[0]]), np.array([now.n, missing[1]])
    statistic, p_value = chi_squared(reference, current)
    effect = total_variation(reference, current)
    note = f"missing: {before.null_rate:.1%} in reference, {now.null_rate:.1%} in current"
    return replace(blank, test=NULLS, statistic=statistic, p_value=p_value, effect=effect, note=note)


def _compare_numbers(blank: ColumnComparison, before: Sample, now: Sample, exact: bool) -> ColumnComparison:
    x, y = before.numbers(), now.numbers()
    if exact:
        found = ks_exact(x, y)
    else:
        reference, current = x.astype(np.float64), y.astype(np.float64)
        grid = numeric_grid(reference)
        found = ks_from_counts(grid.count(reference), grid.count(current))
    note = ""
    if found.error_bound:
        note = f"on a grid: the distance may be up to {found.error_bound:.4f} larger"
    return replace(
        blank,
        test="ks",
        statistic=found.statistic,
        p_value=found.p_value,
        effect=found.statistic,
        error_bound=found.error_bound,
        note=note,
    )


def _compare_categories(blank: ColumnComparison, before: Sample, now: Sample) -> ColumnComparison:
    reference, current = count_categories(before, now)
    statistic, p_value = chi_squared(reference, current)
    effect = total_variation(reference, current)
    notes = []
    unseen = reference == 0
    if unseen.any():
        share = current[unseen].sum() / current.sum()
        notes.append(f"new categories: {np.count_nonzero(unseen):,}, {share:.1%} of current")
    expected = (reference + current) * (min(before.n, now.n) / (before.n + now.n))
    if np.any(expected < 5):
        notes.append(f"rare categories: {np.count_nonzero(expected < 5):,}, so the p-value is rough")
    return replace(
        blank, test="chi2", statistic=statistic, p_value=p_value, effect=effect, note="; ".join(notes)
    )


def _corrected(tests: Sequence[ColumnComparison], fdr: float, min_effect: float) -> list[ColumnComparison]:
    """Return one family of tests with corrected p-values and verdicts; untested ones as they are."""
    adjusted = iter(benjamini_hochberg([one.p_value for one in tests if not math.isnan(one.p_value)]))
    found = []
    for one in tests:
        if math.isnan(one.p_value):
            found.append(one)
            continue
        p_adjusted = next(adjusted)
        breached = p_adjusted < fdr and one.effect >= min_effect
        found.append(replace(one, p_adjusted=p_adjusted, threshold=min_effect, breached=breached))
    return found


def _united(values: ColumnComparison, nulls: ColumnComparison) -> ColumnComparison:
    """Return one line for a column: its values' test, or that of missingness where there is none."""
    if nulls.test != NULLS:
        return values
    if values.test == NOT_TESTED:
        return replace(nulls, note="; ".join(filter(None, (values.note, nulls.note))))
    if not nulls.breached:
        return values
    return replace(values, breached=True, note="; ".join(filter(None, (nulls.note, values.note))))

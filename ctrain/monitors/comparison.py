"""What a comparison of one column says, from samples or from counts, and how verdicts are reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ctrain.stats.catalogue import pearson
from ctrain.stats.grid import Counts
from ctrain.stats.homogeneity import FEWEST, conditional_p_value, homogeneity_p_value
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.raw import Kind
from ctrain.stats.two_sample import KsResult, chi_squared, pool_rare, total_variation

NOT_TESTED = "none"
SCHEMA = "schema"
NULLS = "nulls"


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


class Side(NamedTuple):
    """One column on one side: its type, its rows, and how many of them have a value."""

    kind: Kind
    type: str
    rows: int
    n: int

    @property
    def null_rate(self) -> float:
        return (self.rows - self.n) / self.rows if self.rows else math.nan


Pair = tuple[ColumnComparison, ColumnComparison]
"""The comparison of the values and that of missingness, neither of them corrected."""


def blank_comparison(name: str, before: Side | None, now: Side | None) -> ColumnComparison:
    """Return what is known of a column before anything is tested."""
    nan = math.nan
    return ColumnComparison(
        *(name, NOT_TESTED, nan, nan, nan, nan, nan, False),
        n_reference=before.n if before else 0,
        n_current=now.n if now else 0,
        null_rate_reference=before.null_rate if before else nan,
        null_rate_current=now.null_rate if now else nan,
    )


def compare_schema(blank: ColumnComparison, before: Side | None, now: Side | None) -> ColumnComparison | None:
    """Return the breach of a column that is absent on one side or changed its type, None of others."""
    if before is None or now is None:
        note = "only in the current table" if before is None else "not in the current table"
    elif Kind.EMPTY not in {before.kind, now.kind} and before.kind is not now.kind:
        note = f"the type changed from {before.type} to {now.type}"
    else:
        return None
    return replace(blank, test=SCHEMA, breached=True, note=note)


def without_values(blank: ColumnComparison, before: Side, now: Side) -> ColumnComparison | None:
    """Return the answer for a column that has no values on some side, None of others."""
    sides = [side for side, found in (("reference", before), ("current", now)) if not found.n]
    return replace(blank, note=f"no values in {' and '.join(sides)}") if sides else None


def compare_nulls(blank: ColumnComparison, before: Side, now: Side) -> ColumnComparison:
    """Return the test of missingness; without a missing value there is none."""
    missing = [before.rows - before.n, now.rows - now.n]
    if not any(missing):
        return blank
    reference, current = np.array([before.n, missing[0]]), np.array([now.n, missing[1]])
    statistic, p_value = chi_squared(reference, current)
    effect = total_variation(reference, current)
    note = f"missing: {before.null_rate:.1%} in reference, {now.null_rate:.1%} in current"
    return replace(blank, test=NULLS, statistic=statistic, p_value=p_value, effect=effect, note=note)


def as_ks(blank: ColumnComparison, found: KsResult) -> ColumnComparison:
    """Return the comparison that a KS test makes."""
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


def compare_categories(
    blank: ColumnComparison,
    reference: Counts,
    current: Counts,
    notes: Iterable[str] = (),
    *,
    rest: bool = False,
) -> ColumnComparison:
    """Return the chi-squared test of the counts of each category on both sides.

    Where categories are rare the statistic is not chi-squared distributed, and the p-value goes by its
    distribution among all samples with these values. ``rest``: the last category is what the reference
    does not name; the p-value then goes by rare ones pooled.
    """
    statistic, p_value = chi_squared(reference, current)
    effect = total_variation(reference, current)
    notes = list(notes)
    n, m = reference.sum(), current.sum()
    expected = (reference + current) * (min(n, m) / (n + m))
    rare = np.count_nonzero((expected > 0) & (expected < FEWEST))
    if rare and rest:
        p_value = homogeneity_p_value(pearson, *pool_rare(reference, current), rest=True)
        notes.append(f"rare categories: {rare:,}, pooled for the p-value")
    elif rare:
        p_value = conditional_p_value(reference, current)
        notes.append(f"rare categories: {rare:,}, so the p-value is no chi-squared one")
    return replace(
        blank, test="chi2", statistic=statistic, p_value=p_value, effect=effect, note="; ".join(notes)
    )


def conclude(pairs: Sequence[Pair], fdr: float, min_effect: float) -> Comparison:
    """Return all columns with corrected p-values: those of values, and those of missingness."""
    values = _corrected([one for one, _ in pairs], fdr, min_effect)
    nulls = _corrected([one for _, one in pairs], fdr, min_effect)
    return Comparison(tuple(map(_united, values, nulls)))


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

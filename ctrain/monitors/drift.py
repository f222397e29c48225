"""Drift of inputs or scores: the current window against the reference, column by column.

A column is breached when all of this holds: its p-value, corrected over every test of the monitor,
is below ``fdr``; the effect is at least ``min_effect``; the effect is at least 1.25 times the
largest that a window of the same length has inside the reference. The first alone takes rows for
independent, which rows of a real stream are not; the second alone alarms on small samples.
Missing values are a test of their own for each column, in the same correction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict, Version
from ctrain.errors import PermanentError
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.catalogue import two_sample
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.grid import ColumnGrid, Grid, NumericGrid
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.profile import Profile
from ctrain.stats.reference import PREDICTION, Variability
from ctrain.stats.two_sample import chi_squared, total_variation

VARIABILITY_FACTOR = 1.25
GRID_ERROR = 0.01
"""A larger error bound of a distance is worth a note: the grid no longer fits the rows."""
TOO_VARIED = "windows this short differ too much inside the reference, use a longer window"
NOT_TESTED = "none"
"""Test of a column that is not tested; the note says why."""


@dataclass(frozen=True, slots=True, eq=False)
class DriftWindow:
    """Rows of a window beside those of the reference, counted on one grid: of all rows, or of a segment."""

    segment: str
    """Such as ``carrier=AA``; empty: all rows."""
    grid: Grid
    reference: Profile
    current: Profile
    left_out: Mapping[str, str]
    """Columns that are not tested, and why."""
    variability: Variability


def window_start(
    pane_rows: Mapping[datetime, int],
    window: timedelta,
    min_rows: int,
    as_of: datetime,
    pane: timedelta,
    furthest: datetime,
) -> datetime:
    """Return where a window that ends at ``as_of`` starts: so far back that it has ``min_rows`` rows.

    It is at least ``window`` long, and starts at ``furthest`` at the earliest, with fewer rows if need be.

    Parameters
    ----------
    pane_rows
        Rows of panes by their start; panes without rows may be missing.

    Examples
    --------
    >>> from datetime import UTC
    >>> day, hour = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
    >>> rows = {day + place * hour: 10 for place in range(24)}
    >>> window_start(rows, 2 * hour, 35, day + 24 * hour, hour, day).hour
    20
    """
    start = max(as_of - window, furthest)
    rows = sum(amount for one, amount in pane_rows.items() if start <= one < as_of)
    while rows < min_rows and start > furthest:
        start = max(start - pane, furthest)
        rows += pane_rows.get(start, 0)
    return start


def assess_drift(
    name: MonitorName,
    monitor: DriftMonitor,
    windows: Sequence[DriftWindow],
    as_of: datetime,
    model_version: Version | None,
    *,
    importance: Mapping[str, float] | None = None,
) -> Verdict:
    """Return whether the window that ends at ``as_of`` differs from the reference.

    Parameters
    ----------
    windows
        The window of all rows, or one for each segment; tests are corrected over all of them.
    importance
        Share of each feature in the importance of all; empty or None: not known.

    Returns
    -------
    Verdict
        INCONCLUSIVE when no window has ``min_rows`` rows, when no column can be tested, or when
        windows of the reference differ so much that none could breach.
        ``value`` and ``threshold`` are those of the column whose effect is the largest multiple of
        its threshold, among the breached columns if there are any.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import UTC
    >>> from ctrain.stats.profile import profile_table
    >>> from ctrain.stats.reference import build_reference
    >>> day, hour = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
    >>> at = [day + place * hour / 10 for place in range(240)]
    >>> rows = pa.table({"event_at": at, "x": [place % 10 for place in range(240)]})
    >>> reference = build_reference(rows, ["x"], [], hour)
    >>> current = profile_table(pa.table({"x": [20.0] * 100}), reference.grid)
    >>> monitor = DriftMonitor(type="drift", window="10h", min_rows=50)
    >>> usual = reference.variability(monitor.window, monitor.min_rows, monitor.test)
    >>> window = DriftWindow("", reference.grid, reference.profile, current, reference.left_out, usual)
    >>> verdict = assess_drift("inputs", monitor, [window], day + 34 * hour, None)
    >>> verdict.status.name, verdict.value
    ('BREACHED', 1.0)

    References
    ----------
    Benjamini, Hochberg (1995). Controlling the false discovery rate. JRSS B 57(1).
    """
    if monitor.test != "ks":
        raise PermanentError(f"monitor {name}: test {monitor.test} is not available, use test: ks")
    rows = sum(one.current.rows for one in windows)
    large = [one for one in windows if one.current.rows >= monitor.min_rows]
    if not large:
        reason = f"needs {monitor.min_rows:,} rows, has {rows:,}"
        return Verdict(name, as_of, Status.INCONCLUSIVE, None, None, rows, reason, (), model_version)
    tests = [one for window in large for one in _assess_columns(monitor, window)]
    features = tuple(_corrected(tests, monitor.fdr))
    verdict = Verdict(name, as_of, Status.OK, None, None, rows, "", features, model_version)
    return _concluded(verdict, large)


def _assess_columns(monitor: DriftMonitor, window: DriftWindow) -> Iterator[FeatureVerdict]:
    wanted = monitor.columns
    if wanted is None:
        wanted = tuple(name for name in window.grid.columns if name != PREDICTION)
    for column in wanted:
        if column not in window.grid.columns:
            yield _not_tested(column, "not in the reference", 0)
        elif column in window.left_out:
            yield _not_tested(column, window.left_out[column], window.current.columns[column].values)
        else:
            yield from _tests(monitor, window, column)


def _tests(monitor: DriftMonitor, window: DriftWindow, column: str) -> Iterator[FeatureVerdict]:
    """Yield the test of the values, and of missingness where anything is missing."""
    grid = window.grid.columns[column]
    before, now = window.reference.columns[column], window.current.columns[column]
    if before.values and now.values:
        threshold = _threshold(monitor, window.variability.effects[column])
        yield _value_test(monitor, column, grid, before, now, threshold)
    else:
        side = "the window" if before.values else "the reference"
        yield _not_tested(column, f"no values in {side}", now.values)
    if before.nulls or now.nulls:
        yield _null_test(column, before, now, _threshold(monitor, window.variability.nulls[column]))


def _threshold(monitor: DriftMonitor, variability: float | None) -> float:
    return max(monitor.min_effect, VARIABILITY_FACTOR * (variability or 0.0))


def _value_test(
    monitor: DriftMonitor,
    column: str,
    grid: ColumnGrid,
    before: ColumnProfile,
    now: ColumnProfile,
    threshold: float,
) -> FeatureVerdict:
    found = two_sample(monitor.test, grid, before, now)
    numeric = isinstance(grid, NumericGrid)
    note = _value_note(before, now, found.error_bound) if numeric else _unseen_note(now)
    return _tested(
        column, found.test, found.statistic, found.p_value, found.effect, threshold, now.values, note
    )


def _value_note(before: ColumnProfile, now: ColumnProfile, bound: float) -> str:
    if bound > GRID_ERROR:
        return f"the distance may be up to {bound:.3f} larger: the grid is coarse here"
    if before.infinities or now.infinities:
        return f"{now.infinities:,} infinities, as the smallest and largest values"
    if before.minimum == before.maximum:
        return "constant in the reference"
    return "constant in the window" if now.minimum == now.maximum else ""


def _unseen_note(now: ColumnProfile) -> str:
    return f"{now.unseen:,} of {now.values:,} in categories that the reference lacks" if now.unseen else ""


def _null_test(column: str, before: ColumnProfile, now: ColumnProfile, threshold: float) -> FeatureVerdict:
    reference, current = np.array([before.values, before.nulls]), np.array([now.values, now.nulls])
    statistic, p_value = chi_squared(reference, current)
    effect = total_variation(reference, current)
    note = f"{before.null_rate:.1%} null in the reference, {now.null_rate:.1%} in the window"
    return _tested(column, "nulls", statistic, p_value, effect, threshold, now.rows, note)


def _tested(
    column: str,
    test: str,
    statistic: float,
    p_value: float,
    effect: float,
    threshold: float,
    n: int,
    note: str,
) -> FeatureVerdict:
    if threshold > 1:
        note = "; ".join(filter(None, (note, TOO_VARIED)))
    return FeatureVerdict(column, test, statistic, p_value, math.nan, effect, threshold, False, n, note)


def _not_tested(column: str, note: str, n: int) -> FeatureVerdict:
    nan = math.nan
    return FeatureVerdict(column, NOT_TESTED, nan, nan, nan, nan, nan, False, n, note)


def _corrected(features: list[FeatureVerdict], fdr: float) -> list[FeatureVerdict]:
    """Return the features with corrected p-values, and breached where all conditions hold."""
    adjusted = iter(benjamini_hochberg([one.p_value for one in features if one.test != NOT_TESTED]))
    corrected = []
    for one in features:
        if one.test != NOT_TESTED:
            p_adjusted = next(adjusted)
            breached = p_adjusted < fdr and one.effect >= one.threshold
            corrected.append(replace(one, p_adjusted=p_adjusted, breached=breached))
        else:
            corrected.append(one)
    return corrected


def _concluded(verdict: Verdict, windows: Sequence[DriftWindow]) -> Verdict:
    """Return the verdict with status, value, threshold and reason from its features."""
    tested = [one for one in verdict.features if one.test != NOT_TESTED]
    if not tested:
        return replace(verdict, status=Status.INCONCLUSIVE, reason="no column can be tested")
    ranked = sorted(tested, key=lambda one: (one.breached, _closeness(one)), reverse=True)
    breached = [one for one in ranked if one.breached]
    if all(one.threshold > 1 for one in tested):
        return replace(verdict, status=Status.INCONCLUSIVE, reason=f"no column can breach: {TOO_VARIED}")
    columns = len({one.column for one in tested})
    if breached:
        drifted = len({one.column for one in breached})
        reason = f"{drifted} of {columns} columns drifted: {'; '.join(map(_described, breached[:3]))}"
    else:
        reason = f"none of {columns} columns drifted; nearest is {_described(ranked[0])}"
    if not all(one.variability.windows for one in windows):
        reason += "; how much windows of the reference vary is unknown, it is too short"
    return replace(
        verdict,
        status=Status.BREACHED if breached else Status.OK,
        value=ranked[0].effect,
        threshold=ranked[0].threshold,
        reason=reason,
    )


def _closeness(feature: FeatureVerdict) -> float:
    """How near the effect is to its threshold: columns differ in what is usual for them."""
    return feature.effect / max(feature.threshold, 1e-9)


def _described(feature: FeatureVerdict) -> str:
    return (
        f"{feature.column} ({feature.test}) effect {feature.effect:.3f}, "
        f"threshold {feature.threshold:.3f}, n {feature.n:,}"
    )

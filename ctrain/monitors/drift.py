"""Drift of inputs or scores: the current window against the reference, column by column.

A column is breached when all of this holds: its p-value, corrected over every test of the monitor,
is below ``fdr``; the effect is at least ``min_effect``; the effect is at least 1.25 times the
largest that a window of the same length has inside the reference. The first alone takes rows for
independent, which rows of a real stream are not; the second alone alarms on small samples.
Missing values are a test of their own for each column, in the same correction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict, Version
from ctrain.errors import PermanentError
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.grid import ColumnGrid, NumericGrid
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.profile import Profile, merge
from ctrain.stats.reference import Reference, Variability
from ctrain.stats.two_sample import chi_squared, ks_from_counts, pool_rare, total_variation

PREDICTION = "prediction"
"""Column of the row log that holds the champion's scores; tested only where a monitor names it."""
VARIABILITY_FACTOR = 1.25
GRID_ERROR = 0.01
"""A larger error bound of a distance is worth a note: the grid no longer fits the rows."""
TOO_VARIED = "windows this short differ too much inside the reference, use a longer window"
NOT_TESTED = "none"
"""Test of a column that is not tested; the note says why."""

Pane = tuple[datetime, Profile]


def assess_drift(
    name: MonitorName,
    monitor: DriftMonitor,
    reference: Reference,
    panes: Sequence[Pane],
    as_of: datetime,
    pane: timedelta,
    model_version: Version | None,
) -> Verdict:
    """Return whether the window that ends at ``as_of`` differs from the reference.

    Parameters
    ----------
    panes
        Start and profile of closed panes, on the reference's grid: those of the window and as many
        before it as the window may grow by. Panes without rows may be missing.
    as_of
        End of the last closed pane; later panes are ignored.

    Returns
    -------
    Verdict
        INCONCLUSIVE when all panes together have fewer than ``min_rows`` rows, when no column can
        be tested, or when windows of the reference differ so much that none could breach.
        ``value`` and ``threshold`` are those of the column whose effect is the largest multiple of
        its threshold, among the breached columns if there are any.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import UTC
    >>> from ctrain.stats.profile import profile_panes
    >>> from ctrain.stats.reference import build_reference
    >>> day, hour = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
    >>> at = [day + place * hour / 10 for place in range(240)]
    >>> rows = pa.table({"event_at": at, "x": [place % 10 for place in range(240)]})
    >>> reference = build_reference(rows, ["x"], [], hour)
    >>> at = [day + place * hour / 10 for place in range(240, 340)]
    >>> current = pa.table({"event_at": at, "x": [20.0] * 100})
    >>> monitor = DriftMonitor(type="drift", window="10h", min_rows=50)
    >>> panes = list(profile_panes(current, reference.grid, hour).items())
    >>> verdict = assess_drift("inputs", monitor, reference, panes, day + 34 * hour, hour, None)
    >>> verdict.status.name, verdict.value
    ('BREACHED', 1.0)

    References
    ----------
    Benjamini, Hochberg (1995). Controlling the false discovery rate. JRSS B 57(1).
    """
    if monitor.test != "ks":
        raise PermanentError(f"monitor {name}: test {monitor.test} is not available, use test: ks")
    inside = _window(monitor, panes, as_of, pane)
    rows = sum(profile.rows for profile in inside)
    if rows < monitor.min_rows:
        reason = f"needs {monitor.min_rows:,} rows, has {rows:,}"
        return Verdict(name, as_of, Status.INCONCLUSIVE, None, None, rows, reason, (), model_version)
    variability = reference.variability(monitor.window, monitor.min_rows)
    features = tuple(_assess_columns(monitor, reference, merge(inside), variability))
    verdict = Verdict(name, as_of, Status.OK, None, None, rows, "", features, model_version)
    return _concluded(verdict, variability)


def _window(monitor: DriftMonitor, panes: Sequence[Pane], as_of: datetime, pane: timedelta) -> list[Profile]:
    """Return the profiles of the window, which grows back in time until it has ``min_rows``."""
    inside: list[Profile] = []
    rows = 0
    for start, profile in sorted(panes, key=lambda item: item[0], reverse=True):
        if start + pane > as_of:
            continue
        if start < as_of - monitor.window and rows >= monitor.min_rows:
            break
        inside.append(profile)
        rows += profile.rows
    return inside


def _assess_columns(
    monitor: DriftMonitor, reference: Reference, current: Profile, variability: Variability
) -> list[FeatureVerdict]:
    wanted = monitor.columns
    if wanted is None:
        wanted = tuple(name for name in reference.grid.columns if name != PREDICTION)
    features: list[FeatureVerdict] = []
    for column in wanted:
        if column not in reference.grid.columns:
            features.append(_not_tested(column, "not in the reference", 0))
        elif column in reference.left_out:
            features.append(_not_tested(column, reference.left_out[column], current.columns[column].values))
        else:
            features += _tests(monitor, reference, current, variability, column)
    return _corrected(features, monitor.fdr)


def _tests(
    monitor: DriftMonitor, reference: Reference, current: Profile, variability: Variability, column: str
) -> Iterator[FeatureVerdict]:
    """Yield the test of the values, and of missingness where anything is missing."""
    grid = reference.grid.columns[column]
    before, now = reference.profile.columns[column], current.columns[column]
    if before.values and now.values:
        yield _value_test(column, grid, before, now, _threshold(monitor, variability.effects[column]))
    else:
        side = "the window" if before.values else "the reference"
        yield _not_tested(column, f"no values in {side}", now.values)
    if before.nulls or now.nulls:
        yield _null_test(column, before, now, _threshold(monitor, variability.nulls[column]))


def _threshold(monitor: DriftMonitor, variability: float | None) -> float:
    return max(monitor.min_effect, VARIABILITY_FACTOR * (variability or 0.0))


def _value_test(
    column: str, grid: ColumnGrid, before: ColumnProfile, now: ColumnProfile, threshold: float
) -> FeatureVerdict:
    reference, current = before.distribution(grid), now.distribution(grid)
    if isinstance(grid, NumericGrid):
        # a monitor runs for every pane, and a finer p-value costs a hundred times as much; with an
        # effect to be reached as well, a few per cent of a p-value decide nothing
        statistic, p_value, bound = ks_from_counts(reference, current, method="limit")
        note = _value_note(before, now, bound)
        return _tested(column, "ks", statistic, p_value, statistic, threshold, now.values, note)
    reference, current = pool_rare(reference, current)
    statistic, p_value = chi_squared(reference, current)
    effect = total_variation(reference, current)
    return _tested(column, "chi2", statistic, p_value, effect, threshold, now.values, _unseen_note(now))


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


def _concluded(verdict: Verdict, variability: Variability) -> Verdict:
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
    if not variability.windows:
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

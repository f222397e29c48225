"""Drift of inputs or scores: the current window against the reference, column by column.

A column is breached when all of this holds: its p-value, corrected over every test of the monitor,
is below ``fdr``; the effect is at least ``min_effect``; the effect is at least 1.25 times the
largest that a window of the same length has inside the reference. The first alone takes rows for
independent, which rows of a real stream are not; the second alone alarms on small samples.
Missing values are a test of their own for each column, and each segment tests all of its columns,
in the same correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ctrain.domain import MonitorName, Status, Verdict, Version
from ctrain.monitors.drift_columns import TOO_VARIED, ColumnTest, DriftWindow, column_tests, corrected
from ctrain.policy.monitors import DriftMonitor

__all__ = ["DriftWindow", "assess_drift", "window_start"]

NAMED = 3
"""Columns and segments that a reason names."""
EXPLAINED = 20
"""Tests that are explained also without drift, the nearest to their thresholds."""
KEPT = 500
"""Tests that a verdict keeps: those that found drift, and the nearest to their thresholds."""


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
        The window of all rows, or one for each segment; tests are corrected over all of them. Segments
        with fewer than ``min_rows`` rows, there or in their reference, are left out.
    importance
        Share of each feature in the importance of all, for ``weight_by``; empty or None: not known.

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
    >>> print(verdict.reason)  # doctest: +ELLIPSIS
    1 of 1 columns drifted: x always 20 in the window, mean 4.5 in the reference (ks ...

    References
    ----------
    Benjamini, Hochberg (1995). Controlling the false discovery rate. JRSS B 57(1).
    """
    rows = sum(one.current.rows for one in windows)
    enough = [one for one in windows if _enough(one, monitor.min_rows)]
    verdict = Verdict(name, as_of, Status.INCONCLUSIVE, None, None, rows, "", (), model_version)
    if not enough:
        return replace(verdict, reason=_too_few(windows, monitor.min_rows))
    known = importance or {}
    tests = [one for window in enough for one in column_tests(monitor, window, known)]
    tests = _explained(corrected(tests, monitor.fdr))
    kept = sorted(sorted(range(len(tests)), key=lambda place: _rank(tests[place]))[:KEPT])
    verdict = replace(verdict, features=tuple(tests[place].verdict for place in kept))
    return _with_caveats(_concluded(verdict, tests), monitor, windows, enough, known)


def _enough(window: DriftWindow, min_rows: int) -> bool:
    if window.segment and window.reference.rows < min_rows:
        return False
    return window.current.rows >= min_rows


def _too_few(windows: Sequence[DriftWindow], min_rows: int) -> str:
    most = max(windows, key=lambda one: one.current.rows, default=None)
    if most is None or not most.segment:
        return f"needs {min_rows:,} rows, has {most.current.rows if most else 0:,}"
    return (
        f"no segment has {min_rows:,} rows in the window and in the reference; "
        f"most has {most.segment}: {most.current.rows:,}, in the reference {most.reference.rows:,}"
    )


def _explained(tests: Sequence[ColumnTest]) -> list[ColumnTest]:
    """Return the tests with a sentence for those that drifted or are the nearest to it."""
    ranked = sorted(range(len(tests)), key=lambda place: _rank(tests[place]))
    near = {place for place in ranked[:EXPLAINED] if tests[place].tested}
    wanted = near | {place for place in ranked[:KEPT] if tests[place].drifted}
    return [one.explained() if place in wanted else one for place, one in enumerate(tests)]


def _rank(test: ColumnTest) -> tuple[int, float]:
    """What sorts the tests: breached, drifted, tested and the others; by how near they are."""
    if not test.tested:
        return 3, 0.0
    return 0 if test.verdict.breached else 1 if test.drifted else 2, -test.closeness


def _concluded(verdict: Verdict, tests: Sequence[ColumnTest]) -> Verdict:
    """Return the verdict with status, value, threshold and reason from its tests."""
    counted = sorted((one for one in tests if one.tested and one.counted), key=_rank)
    if not counted:
        unused = any(one.tested for one in tests)
        reason = "no column that the champion uses can be tested" if unused else "no column can be tested"
        return replace(verdict, reason=reason)
    if not any(one.can_breach for one in counted):
        return replace(verdict, reason=f"no column can breach: {TOO_VARIED}")
    breached = [one for one in counted if one.verdict.breached]
    columns = len({one.verdict.column for one in counted})
    if breached:
        drifted = len({one.verdict.column for one in breached})
        reason = f"{drifted:,} of {columns:,} columns drifted: {'; '.join(map(_described, breached[:NAMED]))}"
    else:
        reason = f"none of {columns:,} columns drifted; nearest is {_described(counted[0])}"
    return replace(
        verdict,
        status=Status.BREACHED if breached else Status.OK,
        value=counted[0].verdict.effect,
        threshold=counted[0].verdict.threshold,
        reason=reason + _not_counted(tests),
    )


def _described(test: ColumnTest) -> str:
    found = test.verdict
    sentence = f" {found.note}" if found.note else ""
    return (
        f"{found.column}{sentence} ({found.test} {found.effect:.3f}, "
        f"threshold {found.threshold:.3f}, n {found.n:,})"
    )


def _not_counted(tests: Sequence[ColumnTest]) -> str:
    names = dict.fromkeys(one.verdict.column for one in tests if one.drifted and not one.counted)
    return f"; drifted, but hardly used by the champion: {_listed(list(names))}" if names else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _with_caveats(
    verdict: Verdict,
    monitor: DriftMonitor,
    windows: Sequence[DriftWindow],
    enough: Sequence[DriftWindow],
    importance: Mapping[str, float],
) -> Verdict:
    """Return the verdict with what limits it at the end of its reason."""
    caveats = []
    if not all(one.variability.windows for one in enough):
        whose = "some segments" if len(enough) > 1 else "the reference"
        caveats.append(f"how much windows of {whose} vary is unknown, it is too short")
    if monitor.weight_by is not None and not importance:
        caveats.append("the importance of features is not known, so all count")
    few = [one.segment for one in windows if one not in enough]
    if few:
        caveats.append(f"too few rows to test {_listed(few)}")
    return replace(verdict, reason="; ".join([verdict.reason, *caveats]))

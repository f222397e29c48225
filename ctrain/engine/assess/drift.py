"""Drift: the window's profile, merged from the tree of panes, against the reference in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.assess.outcome import inconclusive
from ctrain.engine.compared import compared
from ctrain.engine.panes import pane_tree
from ctrain.engine.reference_times import furthest_start
from ctrain.engine.sight import Sight
from ctrain.monitors.drift import DriftWindow, assess_drift, window_start
from ctrain.policy.models import FromChampion
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.grid import Grid
from ctrain.stats.profile import Profile
from ctrain.stats.reference import PREDICTION, Reference
from ctrain.stats.variability import Variability

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def drift_verdict(
    watch: Watch, sight: Sight, name: MonitorName, monitor: DriftMonitor, as_of: datetime
) -> Verdict:
    """The verdict as of ``as_of``; INCONCLUSIVE while there is nothing to compare, or nothing with it."""
    champion = sight.champion
    if champion is None and isinstance(watch.policy.reference, FromChampion):
        return inconclusive(name, as_of, "there is no champion yet, so nothing to compare with")
    if sight.unreadable:
        return inconclusive(name, as_of, sight.unreadable, champion)
    if sight.reference is None or as_of <= sight.unseen_from:
        return inconclusive(name, as_of, "there are no rows after those of a reference yet", champion)
    found = _windows(watch, sight, sight.reference, monitor, as_of)
    windows = [one for one in found if isinstance(one, DriftWindow)]
    if not windows:
        reasons = [one for one in found if isinstance(one, str)]
        missing = f"the reference has no rows by {monitor.by}"
        return inconclusive(name, as_of, reasons[0] if reasons else missing, champion)
    return assess_drift(
        name,
        monitor,
        windows,
        as_of,
        champion.version if champion else None,
        importance=sight.reference.importance,
    )


def _windows(
    watch: Watch, sight: Sight, reference: Reference, monitor: DriftMonitor, as_of: datetime
) -> list[DriftWindow | str]:
    """The window of all rows, or one for each segment; or why there is none."""
    prediction, columns = watch.policy.data.prediction, monitor.columns or ()
    known_from = sight.first_pane_at or sight.unseen_from
    if monitor.by is not None:
        own = reference.segments.get(monitor.by, ())
        return [_window(watch, one, monitor, as_of, sight.unseen_from, known_from) for one in own]
    if prediction is None or prediction not in columns:
        return [_window(watch, reference, monitor, as_of, sight.unseen_from, known_from)]
    scores = _scores_window(watch, sight, monitor, as_of, prediction)
    if set(columns) == {prediction}:
        return [scores]
    inputs = _window(watch, reference, monitor, as_of, sight.unseen_from, known_from)
    if isinstance(inputs, str) or isinstance(scores, str):
        return [inputs]
    return [_joined(inputs, scores, monitor)]


def _window(
    watch: Watch,
    reference: Reference,
    monitor: DriftMonitor,
    as_of: datetime,
    unseen_from: datetime,
    known_from: datetime,
) -> DriftWindow | str:
    """The window, which grows back in time until it has ``min_rows``, beside what it is compared with."""
    tree, grid, pane = pane_tree(watch), reference.grid, watch.policy.data.pane
    furthest = max(furthest_start(watch.policy, as_of, monitor.window, unseen_from), known_from)
    start = max(as_of - monitor.window, furthest)
    current = tree.merged(grid.name, start, as_of)
    if current.rows < monitor.min_rows and furthest < start:
        counts = tree.rows(grid.name, furthest, as_of)
        start = window_start(counts, monitor.window, monitor.min_rows, as_of, pane, furthest)
        current = tree.merged(grid.name, start, as_of)
    other = compared(watch, reference, monitor, start, as_of, known_from)
    if isinstance(other, str):
        return other
    return DriftWindow(reference.segment, grid, other.profile, current, reference.left_out, other.variability)


def _scores_window(
    watch: Watch, sight: Sight, monitor: DriftMonitor, as_of: datetime, prediction: str
) -> DriftWindow | str:
    """The window of scores, under the name that the policy has for them."""
    if sight.no_scores:
        return sight.no_scores
    if sight.scores is None or as_of <= sight.scores_from:
        return "there are no scores after those of a reference yet"
    found = _window(watch, sight.scores, monitor, as_of, sight.scores_from, sight.scores_from)
    if isinstance(found, str):
        return found
    usual = found.variability
    return replace(
        found,
        grid=Grid({prediction: found.grid.columns[PREDICTION]}, found.grid.pane),
        reference=_renamed(found.reference, prediction),
        current=_renamed(found.current, prediction),
        left_out={prediction: found.left_out[PREDICTION]} if found.left_out else {},
        variability=Variability(
            usual.windows, {prediction: usual.effects[PREDICTION]}, {prediction: usual.nulls[PREDICTION]}
        ),
    )


def _renamed(profile: Profile, prediction: str) -> Profile:
    return Profile(profile.grid, profile.rows, {prediction: profile.columns[PREDICTION]})


def _joined(inputs: DriftWindow, scores: DriftWindow, monitor: DriftMonitor) -> DriftWindow:
    """Both as one window; scores are left out while they are too few."""
    few = {}
    if scores.current.rows < monitor.min_rows:
        note = f"needs {monitor.min_rows:,} rows, has {scores.current.rows:,}"
        few = dict.fromkeys(scores.grid.columns, note)
    return replace(
        inputs,
        grid=Grid({**inputs.grid.columns, **scores.grid.columns}, inputs.grid.pane),
        reference=_both(inputs.reference, scores.reference),
        current=_both(inputs.current, scores.current),
        left_out={**inputs.left_out, **scores.left_out, **few},
        variability=inputs.variability.with_columns(scores.variability),
    )


def _both(inputs: Profile, scores: Profile) -> Profile:
    return Profile(inputs.grid, inputs.rows, {**inputs.columns, **scores.columns})

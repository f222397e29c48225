"""Drift: the window's profile, merged from the tree of panes, against the reference in force."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.assess.outcome import inconclusive
from ctrain.engine.matured import ceil_to
from ctrain.engine.panes import pane_tree
from ctrain.engine.sight import LOOKBACK_WINDOWS, Sight
from ctrain.monitors.drift import DriftWindow, assess_drift
from ctrain.policy.monitors import DriftMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def drift_verdict(
    watch: Watch, sight: Sight, name: MonitorName, monitor: DriftMonitor, as_of: datetime
) -> Verdict:
    if sight.champion is None:
        return inconclusive(name, as_of, "there is no champion yet, so nothing to compare with")
    if sight.reference is None or as_of <= sight.unseen_from:
        return inconclusive(name, as_of, "there are no rows after those of a reference yet", sight.champion)
    pane, tree, grid = watch.policy.data.pane, pane_tree(watch), sight.reference.grid.name
    furthest = max(ceil_to(sight.unseen_from, pane), as_of - monitor.window * LOOKBACK_WINDOWS)
    start = max(as_of - monitor.window, furthest)
    current = tree.merged(grid, start, as_of)
    if current.rows < monitor.min_rows:
        counts = tree.rows(grid, furthest, start)
        rows = current.rows
        while rows < monitor.min_rows and start > furthest:
            start -= pane
            rows += counts[start]
        current = tree.merged(grid, start, as_of)
    usual = sight.reference.variability(monitor.window, monitor.min_rows, monitor.test)
    reference = sight.reference
    window = DriftWindow(
        reference.segment, reference.grid, reference.profile, current, reference.left_out, usual
    )
    return assess_drift(
        name, monitor, [window], as_of, sight.champion.version, importance=reference.importance
    )

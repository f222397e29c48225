"""One monitor's verdict as of the end of one pane, from what was loaded for the stretch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

import numpy as np

from ctrain.domain import Champion, Json, MonitorName, Status, Verdict
from ctrain.engine.sight import LOOKBACK_WINDOWS, Sight, between
from ctrain.monitors.change import Baseline, fold_losses
from ctrain.monitors.drift import assess_drift
from ctrain.monitors.performance import assess_performance
from ctrain.monitors.volume import assess_volume
from ctrain.policy.monitors import (
    ChangeMonitor,
    DriftMonitor,
    FreshnessMonitor,
    Monitor,
    PerformanceMonitor,
    PrometheusMonitor,
    QualityMonitor,
    VolumeMonitor,
)
from ctrain.stats.losses import row_losses

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


@dataclass(frozen=True, slots=True)
class Assessed:
    """A verdict, and the detector's state after the pane where the monitor has one."""

    verdict: Verdict
    detector: Json | None = None


def assess(
    watch: Watch, sight: Sight, name: MonitorName, monitor: Monitor, as_of: datetime, detector: Json | None
) -> Assessed | None:
    """The verdict of ``monitor`` as of ``as_of``; None for a monitor that does not follow panes."""
    match monitor:
        case FreshnessMonitor():
            return None
        case VolumeMonitor():
            return Assessed(_volume(sight, name, monitor, as_of))
        case DriftMonitor():
            return Assessed(_drift(watch, sight, name, monitor, as_of))
        case PerformanceMonitor():
            return Assessed(_performance(watch, sight, name, monitor, as_of))
        case ChangeMonitor():
            return _change(watch, sight, name, monitor, as_of, detector)
        case QualityMonitor() | PrometheusMonitor():
            raise TypeError(f"monitor {name} of type {monitor.type} is refused when a policy is run")
        case _:
            assert_never(monitor)


def inconclusive(
    name: MonitorName, as_of: datetime, reason: str, champion: Champion | None = None
) -> Verdict:
    """The verdict of a monitor that cannot say anything, with the reason."""
    return Verdict(
        monitor=name,
        as_of=as_of,
        status=Status.INCONCLUSIVE,
        value=None,
        threshold=None,
        n=0,
        reason=reason,
        model_version=champion.version if champion else None,
    )


def _volume(sight: Sight, name: MonitorName, monitor: VolumeMonitor, as_of: datetime) -> Verdict:
    assert sight.arrivals is not None
    if sight.first_pane_at is None or as_of - monitor.window < sight.first_pane_at:
        return inconclusive(name, as_of, "the window begins before the first row")
    window = between(sight.arrivals, as_of - monitor.window, as_of)
    return assess_volume(name, monitor, window.stop - window.start, as_of)


def _drift(watch: Watch, sight: Sight, name: MonitorName, monitor: DriftMonitor, as_of: datetime) -> Verdict:
    if sight.champion is None:
        return inconclusive(name, as_of, "there is no champion yet, so nothing to compare with")
    if sight.reference is None or as_of <= sight.unseen_from:
        return inconclusive(name, as_of, "there are no rows after those of a reference yet", sight.champion)
    start = as_of - monitor.window * LOOKBACK_WINDOWS
    panes = [(one, profile) for one, profile in sight.profiles.items() if start <= one < as_of]
    return assess_drift(
        name,
        monitor,
        sight.reference,
        panes,
        as_of,
        watch.policy.data.pane,
        sight.champion.version,
    )


def _performance(
    watch: Watch, sight: Sight, name: MonitorName, monitor: PerformanceMonitor, as_of: datetime
) -> Verdict:
    blind = _blind(sight, name, as_of)
    if blind is not None:
        return blind
    champion, losses = sight.champion, sight.losses
    assert champion is not None
    assert losses is not None
    assert losses.labels is not None
    assert losses.scores is not None
    end = as_of - watch.policy.data.labels.matures_after
    start = max(end - monitor.window, champion.since_at)
    window = between(losses.table["event_at"].to_numpy().astype("datetime64[us]"), start, max(start, end))
    labels, scores = losses.labels[window], losses.scores[champion.version][window]
    labelled = np.isfinite(labels)
    return assess_performance(
        name,
        monitor,
        watch.policy.model.task,
        labels[labelled],
        scores[labelled],
        as_of,
        window_rows=int(labels.size),
        coverage=float(labelled.mean()) if labels.size else 0.0,
        min_coverage=watch.policy.data.labels.min_coverage,
        model_version=champion.version,
    )


def _change(
    watch: Watch,
    sight: Sight,
    name: MonitorName,
    monitor: ChangeMonitor,
    as_of: datetime,
    detector: Json | None,
) -> Assessed:
    blind = _blind(sight, name, as_of)
    if blind is not None:
        return Assessed(blind, detector)
    champion, scored = sight.champion, sight.losses
    assert champion is not None
    assert scored is not None
    assert scored.labels is not None
    assert scored.scores is not None
    end = as_of - watch.policy.data.labels.matures_after
    known = detector or {}
    start = datetime.fromisoformat(known["until"]) if "until" in known else end - watch.policy.data.pane
    instants = scored.table["event_at"].to_numpy().astype("datetime64[us]")
    start = max(start, champion.since_at)
    pane = between(instants, start, max(end, start))
    model = watch.policy.model
    losses = row_losses(model.task, model.metric, scored.labels[pane], scored.scores[champion.version][pane])
    usable = np.isfinite(losses)
    baseline = Baseline.from_json(known["baseline"]) if "baseline" in known else None
    state, verdict = fold_losses(
        name,
        monitor,
        baseline,
        known.get("state"),
        losses[usable],
        instants[pane][usable],
        as_of,
        champion.version,
    )
    following = {"state": state, "until": max(end, start).isoformat()}
    return Assessed(verdict, following if baseline is None else {"baseline": baseline.to_json(), **following})


def _blind(sight: Sight, name: MonitorName, as_of: datetime) -> Verdict | None:
    """Why losses cannot be judged, or None when they can."""
    if sight.champion is None or sight.losses is None:
        return inconclusive(name, as_of, "there is no champion yet, so there are no losses to judge")
    if sight.losses.state == "failed":
        return inconclusive(name, as_of, sight.losses.message, sight.champion)
    return None

"""What an analyst is asked for to picture verdicts: samples of both sides, columns, histories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrain.domain import Champion, ChampionRows, FeatureVerdict, MonitorName, Verdict
from ctrain.engine.champion_rows import Wanted, load_champion_rows
from ctrain.engine.sampling import sample_rows, seed_of
from ctrain.monitors.classifier_segments import SEGMENT_TEST
from ctrain.policy.monitors import DomainClassifierMonitor, DriftMonitor, Monitor, QualityMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

INPUT_MONITORS = (DriftMonitor, DomainClassifierMonitor, QualityMonitor)
"""Monitors that say something of columns."""
MOST_ROWS = 2000
"""Of either side: pictures of more rows look the same."""
MOST_MONITORS = 3
MOST_VERDICTS = 300
MOST_COLUMNS = 20
NOT_TESTED = "none"


def pictured_rows(watch: Watch, champion: Champion) -> ChampionRows | None:
    """The sample of the champion's rows that pictures are made from."""
    return load_champion_rows(watch, champion, Wanted(MOST_ROWS))


def picture_request(
    watch: Watch,
    champion: Champion | None,
    verdicts: Sequence[Verdict],
    key: str,
    *,
    most: int = MOST_MONITORS,
) -> Mapping[str, Any]:
    """Request of a report on the first ``most`` of ``verdicts``; its tables are written under ``key``."""
    reference = pictured_rows(watch, champion) if champion is not None else None
    by_kind = watch.policy.data.features.by_kind
    return {
        "policy": watch.name,
        "kinds": {name: kind for kind, names in by_kind.items() for name in names},
        "reference": reference.path if reference is not None else "",
        "monitors": [_pictured(watch, verdict, key) for verdict in verdicts[:most]],
    }


def _pictured(watch: Watch, verdict: Verdict, key: str) -> Mapping[str, Any]:
    monitor = watch.policy.monitors[verdict.monitor]
    window = getattr(monitor, "window", watch.policy.data.pane)
    start = verdict.as_of - window
    path = ""
    if isinstance(monitor, INPUT_MONITORS):
        names = watch.policy.data.features.names
        rows = sample_rows(watch, start, verdict.as_of, MOST_ROWS, seed_of(f"{key}/{verdict.monitor}"), names)
        if rows.num_rows:
            path = watch.workspace.write(key, f"{verdict.monitor}.parquet", rows)
    return {
        "name": verdict.monitor,
        "label": _label(monitor),
        "status": verdict.status.value,
        "reason": verdict.reason,
        "window": f"{start:%Y-%m-%d %H:%M} to {verdict.as_of:%Y-%m-%d %H:%M} UTC",
        "current": path,
        "joint": isinstance(monitor, DomainClassifierMonitor),
        "columns": _columns(verdict),
        "history": history_of(watch, verdict.monitor, verdict.as_of),
    }


def _label(monitor: Monitor) -> str:
    match monitor:
        case DriftMonitor():
            return f"largest effect ({monitor.test})"
        case DomainClassifierMonitor():
            return "held-out AUC"
        case _:
            return getattr(monitor, "metric", "value")


def history_of(watch: Watch, name: MonitorName, until: datetime) -> Sequence[Mapping[str, Any]]:
    """The newest verdicts of a monitor up to ``until``, oldest first."""
    with watch.store.read() as tx:
        found = tx.verdicts(watch.name, name, limit=MOST_VERDICTS)
    return [
        {
            "as_of": one.as_of.isoformat(),
            "value": one.value,
            "threshold": one.threshold,
            "status": one.status.value,
            "n": one.n,
        }
        for one in reversed(found)
        if one.as_of <= until
    ]


def _columns(verdict: Verdict) -> Sequence[Mapping[str, Any]]:
    """What was tested, what breached by most first; a column appears once."""
    tested = [one for one in verdict.features if one.test not in (NOT_TESTED, SEGMENT_TEST)]
    ranked = sorted(tested, key=lambda one: (one.breached, _closeness(one)), reverse=True)
    named = {one.column: one for one in reversed(ranked)}
    return [
        {"column": one.column, "sentence": _sentence(one), "breached": one.breached}
        for one in ranked
        if named[one.column] is one
    ][:MOST_COLUMNS]


def _closeness(feature: FeatureVerdict) -> float:
    bound = feature.threshold
    closeness = feature.effect / bound if math.isfinite(bound) and bound > 0 else feature.effect
    return closeness if math.isfinite(closeness) else -1.0


def _sentence(feature: FeatureVerdict) -> str:
    """A line, or two: what was measured, and what that means."""
    if feature.test == "domain_classifier":
        return f"the AUC falls by {feature.effect:.3f} without it"
    bound = f", threshold {feature.threshold:.3f}" if math.isfinite(feature.threshold) else ""
    measured = f"{feature.test} {feature.effect:.3f}{bound}, n {feature.n:,}"
    return f"{measured}\n{feature.note}" if feature.note else measured

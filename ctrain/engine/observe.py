"""Observe: once per closed pane, monitors turn windows into verdicts and triggers fold them.

A pane closes at the watermark, so what a pane shows does not depend on when a tick happened: a
backlog is replayed pane by pane, and a restart goes on at the first pane that was not committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, Segment, Status, TriggerName, Verdict
from ctrain.engine.assess import assess, freshness
from ctrain.engine.decide import decide_in, interesting
from ctrain.engine.matured import floor_to
from ctrain.engine.sight import Sight, look
from ctrain.policy.monitors import FreshnessMonitor
from ctrain.policy.triggers import Condition
from ctrain.triggers.conditions import fold_condition

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

PANES_PER_TICK = 48


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of one look at the panes."""

    panes: int = 0
    waiting: bool = False
    more: bool = False


def observe(watch: Watch) -> Observed:
    """Judge every pane that the watermark has closed since the last commit."""
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
        champion = tx.champion(watch.name)
        segments = tx.segments(watch.name) if state.next_pane_at is None else []
    first = state.next_pane_at or _first_pane(watch, segments)
    if first is None or state.watermark is None:
        return Observed()
    pane = watch.policy.data.pane
    closed = max((state.watermark - first) // pane, 0)
    panes = min(closed, PANES_PER_TICK)
    if panes == 0:
        return Observed()
    sight = look(watch, champion, first + pane, first + pane * panes)
    if sight.waiting:
        return Observed(waiting=True)
    _commit(watch, sight, [first + pane * (index + 1) for index in range(panes)])
    return Observed(panes=panes, more=closed > panes)


def _first_pane(watch: Watch, segments: list[Segment]) -> datetime | None:
    dates = [one.event_date for one in segments if one.event_date != "pending"]
    if not dates:
        return None
    day = datetime.fromisoformat(min(dates) + "T00:00:00+00:00")
    return floor_to(day, watch.policy.data.pane)


def _commit(watch: Watch, sight: Sight, ends: list[datetime]) -> None:
    """Judge the panes in order inside one transaction; at most one run starts."""
    grid = sight.reference.grid.name if sight.reference else ""
    verdicts: list[Verdict] = []
    with watch.store.write() as tx:
        watch.fence(tx)
        for start, profile in sight.fresh.items():
            tx.save_pane(watch.name, grid, start, profile.to_bytes(), profile.rows)
        statuses = {verdict.monitor: verdict.status for verdict in tx.latest_verdicts(watch.name)}
        for end in ends:
            verdicts = _judge_pane(watch, tx, sight, end)
            statuses.update({verdict.monitor: verdict.status for verdict in verdicts})
            fold_triggers(watch, tx, statuses, end)
            if interesting(watch, tx):
                decide_in(watch, tx)
        tx.save_ingest_state(watch.name, replace(tx.ingest_state(watch.name), next_pane_at=ends[-1]))
    for verdict in verdicts:
        show(watch, verdict)


def _judge_pane(watch: Watch, tx: Transaction, sight: Sight, as_of: datetime) -> list[Verdict]:
    verdicts = []
    version = sight.champion.version if sight.champion else None
    for key, monitor in watch.policy.monitors.items():
        name = MonitorName(key)
        detector = tx.detector(watch.name, name, version) if version and monitor.type == "change" else None
        assessed = assess(watch, sight, name, monitor, as_of, detector)
        if assessed is None:
            continue
        tx.record_verdict(watch.name, watch.loaded.hash, assessed.verdict)
        if version and assessed.detector is not None:
            tx.save_detector(watch.name, name, version, assessed.detector)
        verdicts.append(assessed.verdict)
    return verdicts


def fold_triggers(
    watch: Watch,
    tx: Transaction,
    statuses: Mapping[MonitorName, Status],
    as_of: datetime,
    only: frozenset[str] | None = None,
) -> None:
    """Remember since when each trigger's condition has held; ``only`` those on these monitors alone."""
    for key, trigger in watch.policy.triggers.items():
        if not isinstance(trigger, Condition) or (only is not None and not only.issuperset(trigger.monitors)):
            continue
        name = TriggerName(key)
        before = tx.trigger_state(watch.name, name)
        after = fold_condition(trigger, statuses, before, as_of)
        if after != before:
            tx.save_trigger_state(watch.name, after)


def observe_freshness(watch: Watch, now: datetime) -> bool:
    """Record a freshness verdict when its status changes; stale data closes no pane that could.

    ``now`` was read before the data, so that data that came since is never judged by an older clock.
    """
    changed = False
    clocked = frozenset(
        key for key, one in watch.policy.monitors.items() if isinstance(one, FreshnessMonitor)
    )
    for key, monitor in watch.policy.monitors.items():
        if not isinstance(monitor, FreshnessMonitor):
            continue
        verdict = freshness(watch, MonitorName(key), monitor, now)
        show(watch, verdict)
        with watch.store.read() as tx:
            statuses = {one.monitor: one.status for one in tx.latest_verdicts(watch.name)}
        if statuses.get(verdict.monitor) is verdict.status:
            continue
        with watch.store.write() as tx:
            watch.fence(tx)
            tx.record_verdict(watch.name, watch.loaded.hash, verdict)
            statuses = {**statuses, verdict.monitor: verdict.status}
            fold_triggers(watch, tx, statuses, verdict.as_of, only=clocked)
        changed = True
    return changed


def show(watch: Watch, verdict: Verdict) -> None:
    """Set the gauges of a monitor to its newest verdict."""
    labels = {"policy": watch.name, "monitor": verdict.monitor}
    for status in Status:
        watch.telemetry.gauge(
            "monitor_status", float(verdict.status is status), **labels, status=status.value
        )
    if verdict.value is not None:
        watch.telemetry.gauge("monitor_value", verdict.value, **labels)
    if verdict.threshold is not None:
        watch.telemetry.gauge("monitor_threshold", verdict.threshold, **labels)
    for feature in sorted(verdict.features, key=lambda one: -one.effect)[:5]:
        watch.telemetry.gauge("feature_drift", feature.effect, policy=watch.name, feature=feature.column)

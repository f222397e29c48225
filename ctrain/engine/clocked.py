"""Monitors that follow the clock: freshness of the data, and metrics of production.

Stale data closes no pane, and a metrics server speaks of now. Their verdicts are recorded when their
status or what is BREACHED changes, or the policy did, and conditions on them alone are folded here; other
conditions see them pane by pane. What a clock that was ahead has said holds until the next look.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import NO_VERSION, Json, MetricQuery, MonitorName, Sample, TriggerState, Verdict
from ctrain.engine.conditions import (
    clock_conditions,
    clock_monitors,
    load_states,
    met_conditions,
    save_states,
)
from ctrain.engine.quality_sight import newest_rows
from ctrain.engine.verdict_gauges import show_verdict
from ctrain.engine.watch_memory import ClockStates
from ctrain.monitors.freshness import assess_freshness
from ctrain.monitors.prometheus import assess_sample
from ctrain.policy.monitors import FreshnessMonitor, PrometheusMonitor
from ctrain.triggers.conditions import fold_condition

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.engine.watch_memory import States
    from ctrain.policy.monitors import Monitor
    from ctrain.ports import Transaction


Memories = dict[MonitorName, Json]
MOMENT = timedelta(microseconds=1)


def observe_clock(watch: Watch, now: datetime) -> bool:
    """Record verdicts that are news, and what follows for conditions on them alone; True when any did.

    ``now`` was read before the data, so that data that came since is never judged by an older clock;
    while more data lies there unread, nothing is said of its freshness.
    """
    monitors = clock_monitors(watch.policy)
    if not monitors:
        return False
    with watch.store.read() as tx:
        newest = tx.ingest_state(watch.name).newest_event_at
        known = {name: next(iter(tx.verdicts(watch.name, name, limit=1)), None) for name in monitors}
        stored = load_states(watch, tx, clock_conditions(watch.policy))
        memories = _load_memories(watch, tx, monitors)
        outdated = _outdated(watch, tx, monitors)
    before = _folded_last(watch, stored)
    after = dict(memories)
    verdicts = [*_freshness(watch, monitors, newest, now), *_samples(watch, monitors, after)]
    for verdict in verdicts:
        show_verdict(watch, verdict)
    news = [
        _after(known[one.monitor], one, now)
        for one in verdicts
        if _is_news(known[one.monitor], one, now, outdated=one.monitor in outdated)
    ]
    come = {name: _come_by(now, state) for name, state in before.items()}
    states = _folded(watch, come, known, news, now, _unanswered(watch, monitors))
    turned = met_conditions(watch.policy, before) != met_conditions(watch.policy, states)
    if not news and not turned and after == memories:
        watch.clock_states = ClockStates(watch.loaded.hash, stored, states)
        return False
    with watch.store.write() as tx:
        watch.fence(tx)
        for verdict in news:
            tx.record_verdict(watch.name, watch.loaded.hash, verdict)
        for name, memory in after.items():
            if memory != memories.get(name):
                tx.save_detector(watch.name, name, NO_VERSION, memory)
        save_states(watch, tx, states)
    return bool(news) or turned


def _folded(
    watch: Watch,
    before: States,
    known: Mapping[MonitorName, Verdict | None],
    news: list[Verdict],
    now: datetime,
    unanswered: Set[str],
) -> States:
    """The states of the conditions on the clock, after the news among the verdicts.

    One that is on a monitor of which nothing is known now stays as it is.
    """
    statuses = {name: one.status for name, one in known.items() if one is not None}
    statuses |= {verdict.monitor: verdict.status for verdict in news}
    states = dict(before)
    for name, one in clock_conditions(watch.policy).items():
        if unanswered.isdisjoint(one.monitors):
            states[name] = fold_condition(one, statuses, before[name], now)
    return states


def _unanswered(watch: Watch, monitors: dict[MonitorName, Monitor]) -> Set[str]:
    """Monitors whose last verdict may be of long ago: what they look at now is still being read."""
    reading = {name for name, one in monitors.items() if watch.behind and isinstance(one, FreshnessMonitor)}
    return reading | watch.metric_queries.keys()


def _folded_last(watch: Watch, stored: States) -> States:
    """The states as of the last tick, which stored them only if they were news: ``hold`` counts from it."""
    known = watch.clock_states
    if known is None or known.policy_hash != watch.loaded.hash or known.stored != stored:
        return stored
    return known.folded


def _load_memories(watch: Watch, tx: Transaction, monitors: dict[MonitorName, Monitor]) -> Memories:
    names = [name for name, one in monitors.items() if isinstance(one, PrometheusMonitor)]
    stored = {name: tx.detector(watch.name, name, NO_VERSION) for name in names}
    return {name: memory for name, memory in stored.items() if memory is not None}


def _freshness(
    watch: Watch, monitors: dict[MonitorName, Monitor], newest: datetime | None, now: datetime
) -> list[Verdict]:
    if watch.behind:
        return []
    return [
        assess_freshness(name, one, newest, now, newest_rows(watch, one))
        for name, one in monitors.items()
        if isinstance(one, FreshnessMonitor)
    ]


def _samples(watch: Watch, monitors: dict[MonitorName, Monitor], memories: Memories) -> list[Verdict]:
    """Verdicts on the answers that have come; changes what is remembered."""
    verdicts = []
    for name, one in monitors.items():
        if not isinstance(one, PrometheusMonitor):
            continue
        query = watch.metric_queries.get(name) or _due(watch, name, one)
        if query is None:
            continue
        sample = _answer(watch, f"{watch.name}/{name}", query)
        if sample is None:
            watch.metric_queries[name] = query
            continue
        watch.metric_queries.pop(name, None)
        memories[name], verdict = assess_sample(name, one, sample, memories.get(name))
        verdicts.append(verdict)
    return verdicts


def _due(watch: Watch, name: MonitorName, monitor: PrometheusMonitor) -> MetricQuery | None:
    """The question, when it is time to ask it again."""
    now = watch.clock.now()
    asked_at = watch.metrics_asked_at.get(name)
    if asked_at is not None and asked_at <= now < asked_at + monitor.every:
        return None
    watch.metrics_asked_at[name] = now
    return _question(monitor, now)


def _question(monitor: PrometheusMonitor, at: datetime) -> MetricQuery:
    return MetricQuery(monitor.url, monitor.query, at, monitor.max_age, monitor.token, monitor.by)


def _answer(watch: Watch, key: str, query: MetricQuery) -> Sample | None:
    """What a server answers, without the secrets that it was asked with; None while it is on its way."""
    sample = watch.metric_server.ask(key, query)
    return None if sample is None else replace(sample, problem=watch.redact(sample.problem))


def sample_now(watch: Watch, name: MonitorName, monitor: PrometheusMonitor) -> Verdict | None:
    """The verdict if an answer of now were added to what is remembered; None while it is on its way."""
    query = _question(monitor, watch.clock.now())
    sample = _answer(watch, f"{watch.name}/{name}/now", query)
    if sample is None:
        return None
    with watch.store.read() as tx:
        memory = tx.detector(watch.name, name, NO_VERSION)
    return assess_sample(name, monitor, sample, memory)[1]


def _outdated(watch: Watch, tx: Transaction, monitors: dict[MonitorName, Monitor]) -> set[MonitorName]:
    """Monitors with a verdict of the policy before its last change, once panes were judged by the new one.

    From then on what is older is taken for the verdict of a monitor that was taken out.
    """
    if watch.clock_renewed:
        return set()
    hashes = {one.monitor: one.policy_hash for one in tx.verdict_lines([watch.name])}
    renewed = {name for name, policy_hash in hashes.items() if policy_hash == watch.loaded.hash}
    of_panes = watch.policy.monitors.keys() - monitors.keys()
    if of_panes and renewed.isdisjoint(of_panes):
        return set()
    outdated = monitors.keys() & hashes.keys() - renewed
    watch.clock_renewed = not outdated
    return outdated


def _is_news(known: Verdict | None, verdict: Verdict, now: datetime, *, outdated: bool) -> bool:
    """Another status, or the same one for other segments, or of another policy."""
    if known is None:
        return True
    changed = known.status is not verdict.status or _breached(known) != _breached(verdict)
    return (changed or outdated) and (verdict.as_of > known.as_of or known.as_of > now)


def _after(known: Verdict | None, verdict: Verdict, now: datetime) -> Verdict:
    """The verdict, placed behind one that a clock gave which was ahead: the latest is the one that holds."""
    if known is None or known.as_of <= now:
        return verdict
    return replace(verdict, as_of=known.as_of + MOMENT)


def _come_by(now: datetime, state: TriggerState) -> TriggerState:
    """The state without what a clock that was ahead has made of it."""
    if state.as_of is None or state.as_of <= now:
        return state
    since, last = (
        at if at is not None and at <= now else None for at in (state.met_since, state.last_met_at)
    )
    return TriggerState(state.trigger, met_since=since, last_met_at=last)


def _breached(verdict: Verdict) -> set[str]:
    return {one.column for one in verdict.features if one.breached}

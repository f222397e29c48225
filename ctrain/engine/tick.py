"""One tick of one policy: ingest, observe, decide, advance; then say what is left to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from math import nan
from typing import TYPE_CHECKING

from ctrain.domain import Phase, Run
from ctrain.engine.advance import advance
from ctrain.engine.champions import sync_champion
from ctrain.engine.clocked import observe_clock
from ctrain.engine.decide import decide
from ctrain.engine.explanations import explain
from ctrain.engine.ingest import ingest
from ctrain.engine.moves import found_in
from ctrain.engine.observe import observe
from ctrain.engine.outcomes import tell_outcomes
from ctrain.engine.requests import answer_requests, reconcile
from ctrain.engine.rest import awaited, begin_rest, is_resting
from ctrain.engine.retention import retire
from ctrain.engine.row_commits import settle_doubt
from ctrain.engine.spending import RUNS_READ, spent_before
from ctrain.engine.watch_memory import LastYear
from ctrain.lifecycle.alphas import RUNS_IN_A_YEAR, alphas_spent
from ctrain.lifecycle.promoted_share import promotions
from ctrain.triggers.limits import budget_left
from ctrain.triggers.spending import Spending
from ctrain.triggers.training_time import time_spent, training_time_left

if TYPE_CHECKING:
    from ctrain.domain import Champion, IngestState
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick did. Quiet means that nothing is left to do until time or data move."""

    moved: bool = False
    waiting: bool = False
    unfinished: bool = False
    """Another tick at the same instant, of the same data, may do more."""
    rests: bool = False
    """The next tick can wait: it would look at little more than whether something has come."""
    took_in: bool = False
    """Rows or labels were read."""
    due_in: timedelta | None = None
    """What has come is to be read then."""

    @property
    def quiet(self) -> bool:
        return not self.moved and not self.waiting


def tick(watch: Watch, *, read: bool = True) -> Ticked:
    """Take one tick; every step derives what to do from the store, the registry and the launcher.

    ``read=False`` leaves the sources alone: on stream time everything up to the present has been
    read, and what lies there already belongs to an instant that has not come.

    A policy that rests, because nothing is left to do, is quiet at the cost of one query.

    Raises whatever stopped it (TransientError, StateConflict...): the caller records it, and the
    next tick derives its steps anew.
    """
    if is_resting(watch):
        return Ticked(rests=True, due_in=awaited(watch))
    began = watch.pace.cpu()
    with watch.telemetry.span("engine.tick", policy=watch.name), watch.reads.remembering(watch.lease):
        ticked = _tick(watch, read)
        if not ticked.waiting and not ticked.unfinished:
            begin_rest(watch)
        watch.pace.took(watch.name, watch.pace.cpu() - began if ticked.took_in else 0.0)
        watch.telemetry.gauge("arrivals_wait_seconds", watch.pace.wait().total_seconds())
        return replace(ticked, rests=watch.rest is not None)


def _tick(watch: Watch, read: bool) -> Ticked:
    now = watch.clock.now()
    settle_doubt(watch)
    sync_champion(watch)
    reconciled = reconcile(watch)
    span = partial(watch.telemetry.span, policy=watch.name)
    with span("engine.ingest"):
        ingested = read and ingest(watch)
    with span("engine.observe"):
        observed = observe(watch)
    told = observe_clock(watch, now)
    with span("engine.decide"):
        started = decide(watch)
    answered = answer_requests(watch)
    with span("engine.advance"):
        step = advance(watch)
    tell_outcomes(watch)
    explain(watch)
    retire(watch)
    measure(watch)
    unfinished = reconciled or watch.behind or observed.unfinished or started or answered or step.moved
    moved = unfinished or ingested or observed.panes > 0 or told
    return Ticked(moved, observed.waiting or step.waiting, unfinished, took_in=ingested)


def measure(watch: Watch) -> None:
    """Set the gauges that describe where the policy stands."""
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
        champion = tx.champion(watch.name)
        run = tx.active_run(watch.name)
        runs = tx.runs(watch.name, limit=RUNS_READ) if watch.policy.limits.budget else []
        older = spent_before(watch, tx, runs)
        watch.last_year = _last_year(watch, tx, run)
        paused = tx.paused(watch.name)
    share = watch.last_year.promotions.share
    watch.telemetry.gauge("paused", float(paused), policy=watch.name)
    watch.telemetry.gauge("alpha_spent_per_year", watch.last_year.alpha, policy=watch.name)
    watch.telemetry.gauge("promoted_share", nan if share is None else share, policy=watch.name)
    _measure_budget(watch, runs, older)
    _measure_data(watch, state)
    _measure_champion(watch, champion)
    _measure_run(watch, run)


def _last_year(watch: Watch, tx: Transaction, run: Run | None) -> LastYear:
    """What shadows spent and trainings were good for.

    Added up again when a run moves, when its shadow spends (more), and once a day.
    """
    now = watch.clock.now()
    spent = found_in(run, "shadow").get("alpha") if run is not None else None
    found_for = (run.id, run.phase, spent) if run is not None else (), now.date()
    if watch.last_year is not None and watch.last_year.found_for == found_for:
        return watch.last_year
    runs = tx.runs(watch.name, limit=RUNS_IN_A_YEAR)
    return LastYear(found_for, alphas_spent(runs, now).total, promotions(runs, now))


def _measure_budget(watch: Watch, runs: list[Run], older: Spending) -> None:
    budget, now = watch.policy.limits.budget, watch.clock.now()
    created = [run.created_at for run in runs] + [at for _, at, _ in older.ended]
    left = budget_left(budget, created, now)
    if left is not None:
        watch.telemetry.gauge("budget_remaining", left[0], policy=watch.name)
    time_left = training_time_left(budget, time_spent(runs) + older.time, timedelta(0), now)
    if time_left is not None:
        seconds = time_left[0].total_seconds()
        watch.telemetry.gauge("budget_remaining_seconds", seconds, policy=watch.name)


def _measure_data(watch: Watch, state: IngestState) -> None:
    lag = (watch.clock.now() - (state.newest_event_at or watch.watched_since)).total_seconds()
    watch.telemetry.gauge("source_lag_seconds", max(lag, 0.0), policy=watch.name)
    if state.rows_total:
        coverage = min(state.labels_total / state.rows_total, 1.0)
        watch.telemetry.gauge("label_coverage_ratio", coverage, policy=watch.name)


def _measure_champion(watch: Watch, champion: Champion | None) -> None:
    if champion is None:
        watch.telemetry.forget(watch.name, "champion_age_seconds", "champion_info")
        return
    age = (watch.clock.now() - champion.since_at).total_seconds()
    watch.telemetry.gauge("champion_age_seconds", max(age, 0.0), policy=watch.name)
    watch.telemetry.gauge("champion_info", 1.0, policy=watch.name, version=champion.version)


def _measure_run(watch: Watch, run: Run | None) -> None:
    age = (watch.clock.now() - run.phase_since).total_seconds() if run is not None else 0.0
    watch.telemetry.gauge("run_phase_age_seconds", max(age, 0.0), policy=watch.name)
    for phase in Phase:
        if not phase.ended:
            active = run is not None and run.phase is phase
            watch.telemetry.gauge("run_phase", float(active), policy=watch.name, phase=phase.value)

"""What the limits of a policy are checked against, gathered from the store and the row log."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Run
from ctrain.engine.instants import EPOCH
from ctrain.engine.matured import count_labelled, labelled_rows_needed, matured_until, training_end
from ctrain.engine.moves import found_in
from ctrain.engine.spending import RUNS_READ, spent_before
from ctrain.policy.models import LastWindow
from ctrain.policy.triggers import NewLabels
from ctrain.triggers.limits import PASSED_OVER, LimitFacts, refusals
from ctrain.triggers.spending import spending_of

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


def gather_facts(watch: Watch, tx: Transaction, may_fire: bool, asked: bool = False) -> LimitFacts:
    """What the limits are checked against.

    Labels are counted only where the count can decide something: a trigger is itself a number of
    labels, a person has ``asked``, or a trigger ``may_fire`` and nothing simpler forbids it. Where
    they are not counted the facts say that there are just enough, so that the reason given is the
    simpler one.
    """
    champion = tx.champion(watch.name)
    runs = tx.runs(watch.name, limit=RUNS_READ)
    newest, older = spending_of(runs), spent_before(watch, tx, runs)
    active = next((run for run in runs if not run.phase.ended), None)
    needed = labelled_rows_needed(watch.policy)
    facts = LimitFacts(
        paused=tx.paused(watch.name),
        active_run=active.id if active else None,
        ended_runs=newest.ended + older.ended,
        new_labels=watch.policy.limits.min_new_labels,
        labelled_rows=needed,
        champion_readable=watch.registry_view.readable,
        min_labelled_rows=needed,
        time_spent=newest.time + older.time,
        training_timeout=watch.policy.train.timeout,
    )
    if not counts_labels(watch) and not _undecided(watch, facts, may_fire, asked):
        return facts
    since = _last_cut_off(runs) or (champion.cut_off_at if champion else None) or EPOCH
    new_labels, labelled = _labels(watch, tx, since, needed)
    return replace(facts, new_labels=new_labels, labelled_rows=labelled)


def _undecided(watch: Watch, facts: LimitFacts, may_fire: bool, asked: bool) -> bool:
    """True when only a count of labels can still forbid a run that somebody or something wants."""
    against = {kind for kind, _ in refusals(watch.policy.limits, facts, watch.clock.now())}
    return (may_fire and not against) or (asked and not against - PASSED_OVER)


def _labels(watch: Watch, tx: Transaction, since: datetime, needed: int) -> tuple[int, int]:
    """Matured labelled rows after ``since``, and in the training window (or at least enough there).

    Both end where the window does: what is later is not new to a training that would not see it.
    """
    state = tx.ingest_state(watch.name)
    matured = matured_until(state, watch.policy)
    if matured is None:
        return 0, 0
    window, end = watch.policy.train.window, training_end(watch.policy, matured)
    start = end - window.last if isinstance(window, LastWindow) else EPOCH
    new = count_labelled(watch, since, end)
    if since >= start and new >= needed:
        return new, new
    return new, count_labelled(watch, start, end)


def _last_cut_off(runs: list[Run]) -> datetime | None:
    """Until when the rows of the newest training reached; a later label is a new one."""
    for run in runs:
        text = found_in(run, "training").get("cut_off")
        if text:
            return datetime.fromisoformat(text)
    return None


def counts_labels(watch: Watch) -> bool:
    """True when a trigger is itself a number of labels."""
    return any(isinstance(one, NewLabels) for one in watch.policy.triggers.values())

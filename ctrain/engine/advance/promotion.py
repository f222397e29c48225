"""PROMOTING: the champion alias moves to the challenger, by intent, with a proven way back.

Before the first alias is touched, the champion (the rollback target) must load and predict in a
child. Whatever a crash leaves, the open intent is carried to its end or given up by the next tick.
In a blackout no promotion begins; one whose intent is on record is finished.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.domain import AliasIntent, Champion, Run
from ctrain.engine.advance.training_rows import read_holdout
from ctrain.engine.alias_moves import abandon, carry_out, plan_move, record_intent
from ctrain.engine.champions import read_aliases
from ctrain.engine.child_scores import score_rows
from ctrain.engine.comparison import begin
from ctrain.engine.digests import known_version, verify_digest
from ctrain.engine.moves import (
    IDLE,
    MOVED,
    WAITING,
    Step,
    announce,
    found_in,
    move,
    next_state,
    record_move,
    with_details,
)
from ctrain.errors import PermanentError
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

PROBE_ROWS = 50


def promote(watch: Watch, run: Run) -> Step:
    """PROMOTING -> PROBATION (ACCEPTED for a first champion), FAILED or SUPERSEDED."""
    with watch.store.read() as tx:
        intent = tx.open_intent(watch.name)
    if intent is not None and intent.run_id != run.id:
        return WAITING
    if intent is None:
        if watch.blackout_until() is not None:
            return IDLE
        ready = _prove_way_back(watch, run)
        if ready is not None:
            return ready
        intent = _plan(watch, run)
        if intent is None:
            return MOVED
    _carry_out(watch, run, intent)
    return MOVED


def _prove_way_back(watch: Watch, run: Run) -> Step | None:
    """None once the rollback target has loaded and predicted; a first champion has none."""
    target = run.champion_version
    if target is None:
        return None
    rows = read_holdout(watch, run)
    if rows is None:
        move(watch, run, RunEvent.FAIL, "the rollback target cannot be tried: the held-out rows are gone")
        return MOVED
    model = known_version(watch, target)
    outcome = score_rows(watch, f"{run.id}/way-back-{target}", model, rows.slice(0, PROBE_ROWS))
    if outcome.state == "pending":
        return WAITING
    if outcome.state == "failed":
        move(watch, run, RunEvent.FAIL, f"no promotion without a way back: {outcome.message}")
        return MOVED
    return None


def _plan(watch: Watch, run: Run) -> AliasIntent | None:
    """The intent, on record; None when the run ended because its premise is gone."""
    challenger = run.challenger_version
    assert challenger is not None
    aliases = read_aliases(watch)
    if aliases.champion != run.champion_version:
        move(
            watch,
            run,
            RunEvent.SUPERSEDE,
            f"the champion alias names {aliases.champion or 'no version'}; "
            f"the challenger was compared with {run.champion_version or 'no champion'}",
        )
        return None
    try:
        verify_digest(watch, challenger)
    except PermanentError as error:
        move(watch, run, RunEvent.FAIL, str(error))
        return None
    intent = plan_move(
        watch, "promotion", aliases, challenger, run.champion_version or aliases.previous, run_id=run.id
    )
    record_intent(watch, intent)
    return intent


def _carry_out(watch: Watch, run: Run, intent: AliasIntent) -> None:
    moved: list[Run] = []

    def settle(tx: Transaction, champion: Champion) -> None:
        moved.append(_settled(watch, run, champion))
        record_move(watch, tx, run, moved[-1], evidence={"intent": intent.id})
        tx.append_event(
            watch.event(
                "promoted",
                f"version {champion.version} is the champion"
                + (f" instead of {run.champion_version}" if run.champion_version else ", the first one"),
                run_id=run.id,
                evidence={
                    "version": champion.version,
                    "previous": run.champion_version,
                    "origin": champion.origin,
                    "intent": intent.id,
                },
            )
        )

    def give_up(tx: Transaction, message: str) -> None:
        moved.append(next_state(watch, run, RunEvent.SUPERSEDE, message))
        record_move(watch, tx, run, moved[-1])

    try:
        promoted = carry_out(watch, intent, settle, give_up)
    except PermanentError as error:
        reason = str(error)

        def fail(tx: Transaction) -> None:
            moved.append(next_state(watch, run, RunEvent.FAIL, reason))
            record_move(watch, tx, run, moved[-1])

        abandon(watch, intent, reason, fail)
        promoted = False
    announce(watch, run, moved[-1])
    if promoted:
        watch.telemetry.count("promotions_total", policy=watch.name)


def _settled(watch: Watch, run: Run, champion: Champion) -> Run:
    """The run after the alias moved: on probation beside the version it replaced."""
    if run.champion_version is None:
        reason = f"version {champion.version} is the first champion: it passed its absolute gates alone"
        return next_state(watch, run, RunEvent.PROMOTED_FIRST, reason)
    evaluation = found_in(run, "evaluation")
    found = begin(run, "probation", champion.since_at, _block(run), evaluation["scale"])
    found = with_details(found, "probation", {"since": champion.since_at.isoformat()})
    moved = next_state(
        watch, run, RunEvent.PROMOTED, f"version {champion.version} is the champion, on probation"
    )
    return replace(moved, details=found.details)


def _block(run: Run) -> timedelta:
    """Of the probation; runs that were judged before it had blocks of its own go on with the shadow's."""
    evaluation = found_in(run, "evaluation")
    return timedelta(seconds=evaluation.get("probation_block_seconds", evaluation["block_seconds"]))

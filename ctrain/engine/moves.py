"""A run's move from one phase to the next: the row, the event and all that belongs to it, at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, Run
from ctrain.engine.watch import ACTOR
from ctrain.lifecycle.transitions import RunEvent, next_phase

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one look at a run: did it move, and is work under way that may move it soon."""

    moved: bool = False
    waiting: bool = False


MOVED = Step(moved=True)
WAITING = Step(waiting=True)
IDLE = Step()


def with_details(run: Run, phase: str, found: Json) -> Run:
    """The run with ``found`` merged into the details of ``phase``."""
    details: dict[str, Any] = dict(run.details)
    details[phase] = {**details.get(phase, {}), **found}
    return replace(run, details=details)


def found_in(run: Run, phase: str) -> Mapping[str, Any]:
    """What a phase has found out so far."""
    found: Mapping[str, Any] = run.details.get(phase, {})
    return found


def next_state(watch: Watch, run: Run, event: RunEvent, reason: str) -> Run:
    """The run after ``event``; raises IllegalTransition when its phase does not accept it."""
    phase = next_phase(run.phase, event)
    now = watch.clock.now()
    return replace(
        run,
        phase=phase,
        phase_since=now,
        ended_at=now if phase.ended else None,
        outcome_reason=watch.redact(reason),
    )


def move(
    watch: Watch,
    run: Run,
    event: RunEvent,
    reason: str,
    *,
    evidence: Json | None = None,
    actor: str = ACTOR,
    also: Callable[[Transaction], object] | None = None,
) -> Run:
    """Commit the move of ``run`` (its fields and details as given) and what ``also`` writes.

    Raises StateConflict when the run no longer stands in its phase: someone else won.
    """
    moved = next_state(watch, run, event, reason)
    with watch.store.write() as tx:
        watch.fence(tx)
        record_move(watch, tx, run, moved, evidence=evidence, actor=actor)
        if also is not None:
            also(tx)
    announce(watch, run, moved)
    return moved


def record_move(
    watch: Watch, tx: Transaction, run: Run, moved: Run, *, evidence: Json | None = None, actor: str = ACTOR
) -> None:
    """Write the move inside a transaction that commits other things too."""
    tx.save_run(moved, expected=run.phase)
    tx.append_event(
        watch.event(
            "run_" + moved.phase.value.lower(),
            moved.outcome_reason,
            run_id=run.id,
            actor=actor,
            evidence={"from": run.phase.value, **(evidence or {})},
            at=moved.phase_since,
        )
    )


def keep(watch: Watch, run: Run, also: Callable[[Transaction], object] | None = None) -> Run:
    """Commit what a run has found out without moving it."""
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.save_run(run, expected=run.phase)
        if also is not None:
            also(tx)
    return run


def announce(watch: Watch, run: Run, moved: Run) -> None:
    """Count and log a move that has been committed."""
    stayed = (moved.phase_since - run.phase_since).total_seconds()
    watch.telemetry.observe(
        "run_phase_duration_seconds", max(stayed, 0.0), policy=watch.name, phase=run.phase.value
    )
    if moved.phase.ended:
        watch.telemetry.count("runs_total", 1, policy=watch.name, outcome=moved.phase.value.lower())
    watch.telemetry.log(
        "run_moved",
        policy=watch.name,
        run=run.id,
        before=run.phase.value,
        after=moved.phase.value,
        reason=moved.outcome_reason,
    )

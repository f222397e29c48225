"""AWAITING_APPROVAL: a challenger that passed everything waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctrain.domain import Request, RequestKind, Run, RunId
from ctrain.engine.moves import IDLE, MOVED, Step, move, with_details
from ctrain.errors import IllegalTransition, StateConflict
from ctrain.lifecycle.approval import approval_wanted, expired, refusal
from ctrain.lifecycle.transitions import RunEvent
from ctrain.policy.fields import format_duration

if TYPE_CHECKING:
    from ctrain.domain import Json
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


def ask_for_approval(
    watch: Watch, run: Run, reason: str, evidence: Json, also: Callable[[Transaction], None] | None = None
) -> Step:
    """EVALUATING (a first champion) or SHADOWING -> AWAITING_APPROVAL."""
    expires_after = watch.policy.promotion.expires_after
    wanted = approval_wanted(run, expires_after, watch.clock.now())
    waits = f", for {format_duration(expires_after)}" if expires_after is not None else ""
    run = with_details(run, "approval", wanted)
    move(
        watch,
        run,
        RunEvent.AWAIT_APPROVAL,
        f"{reason}; waits for a person{waits}",
        evidence={**evidence, "approval": wanted},
        also=also,
    )
    return MOVED


def await_approval(watch: Watch, run: Run) -> Step:
    """AWAITING_APPROVAL -> SUPERSEDED or EXPIRED; a person's answer comes as a request."""
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    version = champion.version if champion else None
    if version != run.champion_version:
        stood = run.champion_version or "no champion"
        reason = f"the champion is {version or 'gone'} now; the approval was asked for beside {stood}"
        move(watch, run, RunEvent.SUPERSEDE, reason)
        return MOVED
    if expired(run, watch.clock.now()):
        move(watch, run, RunEvent.EXPIRE, "nobody approved it in time")
        return MOVED
    return IDLE


def answer_approval(
    watch: Watch, request: Request, settle: Callable[[Transaction, Request, str], None]
) -> str:
    """Why an approval or a rejection does not count; empty when it is done, and answered by ``settle``."""
    run_id = RunId(str(request.arguments.get("run", "")))
    with watch.store.read() as tx:
        run = tx.run(run_id)
    if run is None or run.policy != watch.name:
        return f"there is no run {run_id} of {watch.name}"
    now = watch.clock.now()
    why_not = refusal(run, request.arguments, now)
    if why_not:
        return why_not
    approved = request.kind is RequestKind.APPROVE
    why = str(request.arguments.get("reason", ""))
    reason = f"{'approved' if approved else 'rejected'} by {request.actor}" + (f": {why}" if why else "")
    answered = {"approved": approved, "by": request.actor, "at": now.isoformat(), "reason": why}
    event = RunEvent.APPROVE if approved else RunEvent.REJECT
    done = f"done: run {run.id} is {'PROMOTING' if approved else 'REJECTED'}"
    run = with_details(run, "approval", answered)
    try:
        move(
            watch.for_run(run),
            run,
            event,
            reason,
            evidence=run.details["approval"],
            actor=request.actor,
            also=lambda tx: settle(tx, request, done),
        )
    except (IllegalTransition, StateConflict) as error:
        return str(error)
    return ""

"""AWAITING_APPROVAL: a challenger that passed everything waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctrain.domain import Phase, Request, RequestKind, Run, RunId
from ctrain.engine.moves import IDLE, MOVED, Step, found_in, keep, move, with_details
from ctrain.errors import IllegalTransition, PermanentError, StateConflict
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
    """AWAITING_APPROVAL -> SUPERSEDED or EXPIRED; a person's answer comes as a request.

    One that was approved in a blackout goes on to PROMOTING at its end; until then it can be cancelled.
    """
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    version = champion.version if champion else None
    if version != run.champion_version:
        stood = run.champion_version or "no champion"
        reason = f"the champion is {version or 'gone'} now; the approval was asked for beside {stood}"
        move(watch, run, RunEvent.SUPERSEDE, reason)
        return MOVED
    approval = found_in(run, "approval")
    if approval.get("approved"):
        if watch.blackout_until() is not None:
            return IDLE
        move(
            watch,
            run,
            RunEvent.APPROVE,
            _answered_by(approval),
            evidence=approval,
            actor=str(approval["by"]),
        )
        return MOVED
    if expired(run, watch.clock.now()):
        move(watch, run, RunEvent.EXPIRE, "nobody approved it in time")
        return MOVED
    return IDLE


def answer_approval(
    watch: Watch, request: Request, settle: Callable[[Transaction, Request, str], None]
) -> str:
    """Why an approval or a rejection does not count; empty when it is done, and answered by ``settle``.

    One that was given in time counts, however long nobody was there to look at it.
    """
    run_id = RunId(str(request.arguments.get("run", "")))
    with watch.store.read() as tx:
        run = tx.run(run_id)
    if run is None or run.policy != watch.name:
        return f"there is no run {run_id} of {watch.name}"
    now = watch.clock.now()
    why_not = refusal(run, request.arguments, min(request.created_at, now))
    if why_not:
        return why_not
    answered = {
        "approved": request.kind is RequestKind.APPROVE,
        "by": request.actor,
        "at": now.isoformat(),
        "reason": str(request.arguments.get("reason", "")),
    }
    try:
        _settle(watch.for_run(run), with_details(run, "approval", answered), request, settle)
    except (IllegalTransition, PermanentError, StateConflict) as error:
        return str(error)
    return ""


def _settle(
    watch: Watch, run: Run, request: Request, settle: Callable[[Transaction, Request, str], None]
) -> None:
    """Move the run as it was answered; an approval in a blackout is on record until the blackout's end."""
    approval = run.details["approval"]
    until = watch.blackout_until() if approval["approved"] else None
    if until is not None:
        ends = f"{until:%Y-%m-%d %H:%M} UTC"
        waits = f"done: run {run.id} is approved; it is promoted when the blackout ends, {ends}"
        keep(watch, run, also=lambda tx: settle(tx, request, waits))
        return
    event, phase = (
        (RunEvent.APPROVE, Phase.PROMOTING) if approval["approved"] else (RunEvent.REJECT, Phase.REJECTED)
    )
    done = f"done: run {run.id} is {phase.value}"
    move(
        watch,
        run,
        event,
        _answered_by(approval),
        evidence=approval,
        actor=request.actor,
        also=lambda tx: settle(tx, request, done),
    )


def _answered_by(approval: Json) -> str:
    said = f"{'approved' if approval['approved'] else 'rejected'} by {approval['by']}"
    return said + (f": {approval['reason']}" if approval["reason"] else "")

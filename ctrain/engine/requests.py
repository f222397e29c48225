"""What people ask for through the database: cancel a run, roll back, approve; each gets an answer.

A request to start a run is a trigger like any other and is answered by ``decide``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ctrain.domain import Champion, Phase, Request, RequestKind, Run, RunId, Version
from ctrain.engine.advance.approval import answer_approval
from ctrain.engine.advance.rollback import plan_rollback
from ctrain.engine.advance.stopping import stop_training
from ctrain.engine.alias_moves import abandon, carry_out
from ctrain.engine.champions import Aliases, read_aliases
from ctrain.engine.moves import move, with_details
from ctrain.engine.snapshots import usable
from ctrain.engine.stale_writes import revert_stale_write
from ctrain.errors import IllegalTransition, PermanentError, StateConflict, TransientError
from ctrain.lifecycle.transitions import RunEvent, next_phase

if TYPE_CHECKING:
    from ctrain.domain import AliasIntent
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


MOVES_AN_ALIAS = frozenset({Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED})
"""Phases in which a run moves an alias itself; a promotion that has no intent yet has not begun."""


def answer_requests(watch: Watch) -> bool:
    """Carry out every open cancel and rollback; True when one was answered.

    An answer is committed together with what it tells of, so a crash repeats neither.
    """
    with watch.store.read() as tx:
        requests = [one for one in tx.open_requests(watch.name) if one.kind is not RequestKind.TRIGGER]
    answered = False
    for request in requests:
        refusal = _carry_out(watch, request)
        if refusal:
            with watch.store.write() as tx:
                watch.fence(tx)
                _answer(watch, tx, request, f"refused: {refusal}")
        answered |= refusal is not None
    return answered


def _carry_out(watch: Watch, request: Request) -> str | None:
    """Why it cannot be done; empty when it is done and answered; None when ``reconcile`` will answer."""
    match request.kind:
        case RequestKind.CANCEL:
            return _cancel(watch, request)
        case RequestKind.APPROVE | RequestKind.REJECT:
            return answer_approval(watch, request, partial(_answer, watch))
        case _:
            return _roll_back(watch, request)


def _answer(watch: Watch, tx: Transaction, request: Request, answer: str) -> None:
    tx.answer_request(request.id, answer)
    tx.append_event(watch.event(f"{request.kind.value}_answered", answer, actor=request.actor))


def _cancel(watch: Watch, request: Request) -> str:
    """Why it cannot be done; empty when it is done and answered."""
    run_id = RunId(str(request.arguments.get("run", "")))
    with watch.store.read() as tx:
        run = tx.run(run_id)
    if run is None or run.policy != watch.name:
        return f"there is no run {run_id} of {watch.name}"
    return _end(watch, run, request, f"cancelled by {request.actor}{_because(request)}")


def _because(request: Request) -> str:
    reason = str(request.arguments.get("reason", ""))
    return f": {reason}" if reason else ""


def _end(watch: Watch, run: Run, request: Request, reason: str) -> str:
    """Cancel a run as its phase allows: before PROMOTING it ends, on probation it is rolled back."""
    own = usable(watch, run)
    run = with_details(stop_training(own, run), "rollback", {"cause": "person", "reason": reason})
    try:
        phase = next_phase(run.phase, RunEvent.CANCEL)
        done = f"done: run {run.id} is {phase.value}"
        move(
            own,
            run,
            RunEvent.CANCEL,
            reason,
            actor=request.actor,
            also=lambda tx: _answer(watch, tx, request, done),
        )
    except (IllegalTransition, StateConflict) as error:
        return str(error)
    return ""


def _roll_back(watch: Watch, request: Request) -> str | None:
    """Why it cannot be done; empty when it is done and answered; None when ``reconcile`` will answer."""
    with watch.store.read() as tx:
        run = tx.active_run(watch.name)
        intent = tx.open_intent(watch.name)
        champion = tx.champion(watch.name)
    if run is not None and run.phase is Phase.PROBATION:
        version = champion.version if champion is not None else None
        if not _is_of(request, version):
            return _other_champion(request, version)
        return _end(watch, run, request, f"rolled back by {request.actor}{_because(request)}")
    waits = run is not None and run.phase is Phase.PROMOTING and intent is None
    if run is not None and run.phase in MOVES_AN_ALIAS and not waits:
        return f"run {run.id} is {run.phase.value}; ask again when it is done"
    if intent is not None:
        return None
    try:
        aliases = read_aliases(watch)
    except TransientError as error:
        return f"the registry cannot be reached, nothing was moved: {error}"
    if not _is_of(request, aliases.champion):
        return _other_champion(request, aliases.champion)
    return _move_back(watch, request, aliases)


def _is_of(request: Request, champion: Version | None) -> bool:
    """Whether a rollback is of this champion; one that names none is of whichever it is."""
    return bool(request.arguments.get("champion", champion) == champion)


def _other_champion(request: Request, champion: Version | None) -> str:
    stands = f"version {champion}" if champion is not None else "gone"
    return f"the champion is {stands} by now, not version {request.arguments['champion']}; look again"


def _move_back(watch: Watch, request: Request, aliases: Aliases) -> str:
    if aliases.champion is None or aliases.previous is None:
        return "there is no previous champion to go back to"
    if aliases.champion == aliases.previous:
        return f"version {aliases.champion} is the champion and the previous champion"
    intent = plan_rollback(
        watch, aliases, aliases.champion, aliases.previous, run_id=None, actor=request.actor
    )
    finish_loose_intent(watch, intent)
    return ""


def finish_loose_intent(watch: Watch, intent: AliasIntent) -> None:
    """Carry out an alias move that belongs to no run, and answer whoever asked for it.

    Found again after a crash or while the registry was away: whatever was asked before the intent
    was recorded is answered by how it ends.
    """

    def settle(tx: Transaction, champion: Champion) -> None:
        done = f"version {champion.version} is the champion again instead of {intent.expected_champion}"
        reasons = _answer_all(watch, tx, intent, f"done: {done}")
        evidence = {
            "intent": intent.id,
            "version": champion.version,
            "previous": intent.expected_champion,
        }
        tx.append_event(watch.event("rolled_back", done + reasons, actor=intent.actor, evidence=evidence))

    def give_up(tx: Transaction, message: str) -> None:
        _answer_all(watch, tx, intent, f"refused: {message}")

    try:
        if carry_out(watch, intent, settle, give_up):
            watch.telemetry.count("rollbacks_total", policy=watch.name, cause="person")
    except PermanentError as error:
        refusal = str(error)
        abandon(watch, intent, refusal, lambda tx: give_up(tx, refusal))


def _answer_all(watch: Watch, tx: Transaction, intent: AliasIntent, answer: str) -> str:
    """Answer the rollbacks that the intent stands for; return the reasons that were given."""
    reasons = ""
    for request in tx.open_requests(watch.name):
        stands_for = request.created_at <= intent.created_at and _is_of(request, intent.expected_champion)
        if request.kind is RequestKind.ROLLBACK and stands_for:
            reasons += _because(request)
            _answer(watch, tx, request, answer + _because(request))
    return reasons


def reconcile(watch: Watch) -> bool:
    """Finish or give up an alias move that nobody looks after; revert a late write of one that ended."""
    if not watch.registry_view.readable:
        return False
    if revert_stale_write(watch):
        return True
    with watch.store.read() as tx:
        intent = tx.open_intent(watch.name)
        run = tx.active_run(watch.name) if intent is not None else None
    if intent is None or (run is not None and run.id == intent.run_id):
        return False
    finish_loose_intent(watch, intent)
    return True

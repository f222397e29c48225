"""What people ask for through the database: cancel a run, roll back; each gets an answer.

A request to start a run is a trigger like any other and is answered by ``decide``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.domain import Champion, Phase, Request, RequestKind, Run, RunId
from ctrain.engine.advance.rollback import plan_rollback
from ctrain.engine.alias_moves import abandon, carry_out
from ctrain.engine.champions import read_aliases
from ctrain.engine.moves import found_in, move, with_details
from ctrain.errors import IllegalTransition, PermanentError, StateConflict, TransientError
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.domain import AliasIntent
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


def answer_requests(watch: Watch) -> bool:
    """Carry out every open cancel and rollback; True when one was answered."""
    with watch.store.read() as tx:
        requests = [one for one in tx.open_requests(watch.name) if one.kind is not RequestKind.TRIGGER]
    for request in requests:
        answer = _cancel(watch, request) if request.kind is RequestKind.CANCEL else _roll_back(watch, request)
        with watch.store.write() as tx:
            watch.fence(tx)
            tx.answer_request(request.id, answer)
            tx.append_event(watch.event(f"{request.kind.value}_answered", answer, actor=request.actor))
    return bool(requests)


def _cancel(watch: Watch, request: Request) -> str:
    run_id = RunId(str(request.arguments.get("run", "")))
    with watch.store.read() as tx:
        run = tx.run(run_id)
    if run is None:
        return f"refused: there is no run {run_id}"
    return _end(watch, run, request, f"cancelled by {request.actor}{_because(request)}")


def _because(request: Request) -> str:
    reason = str(request.arguments.get("reason", ""))
    return f": {reason}" if reason else ""


def _end(watch: Watch, run: Run, request: Request, reason: str) -> str:
    """Cancel a run as its phase allows: before PROMOTING it ends, on probation it is rolled back."""
    if run.phase is Phase.TRAINING:
        attempt = int(found_in(run, "training").get("attempt", 1))
        watch.launcher.stop(run.id, attempt, watch.workspace.folder(run.id, attempt))
    run = with_details(run, "rollback", {"cause": "person", "reason": reason})
    try:
        moved = move(watch.for_run(run), run, RunEvent.CANCEL, reason, actor=request.actor)
    except (IllegalTransition, StateConflict) as error:
        return f"refused: {error}"
    return f"done: run {run.id} is {moved.phase.value}"


def _roll_back(watch: Watch, request: Request) -> str:
    with watch.store.read() as tx:
        run = tx.active_run(watch.name)
    if run is not None and run.phase is Phase.PROBATION:
        return _end(watch, run, request, f"rolled back by {request.actor}{_because(request)}")
    if run is not None and run.phase in {Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED}:
        return f"refused: run {run.id} is {run.phase.value}; ask again when it is done"
    try:
        return _move_back(watch, request)
    except TransientError as error:
        return f"refused: the registry cannot be reached, nothing was moved: {error}"


def _move_back(watch: Watch, request: Request) -> str:
    aliases = read_aliases(watch)
    if aliases.champion is None or aliases.previous is None:
        return "refused: there is no previous champion to go back to"
    if aliases.champion == aliases.previous:
        return f"refused: version {aliases.champion} is the champion and the previous champion"
    intent = plan_rollback(
        watch, aliases, aliases.champion, aliases.previous, run_id=None, actor=request.actor
    )
    return finish_loose_intent(watch, intent, _because(request))


def finish_loose_intent(watch: Watch, intent: AliasIntent, because: str = "") -> str:
    """Carry out an alias move that belongs to no run; found again after a crash."""
    outcome: list[str] = []

    def settle(tx: Transaction, champion: Champion) -> None:
        outcome.append(
            f"done: version {champion.version} is the champion again "
            f"instead of {intent.expected_champion}{because}"
        )
        tx.append_event(watch.event("rolled_back", outcome[-1], actor=intent.actor))

    def give_up(_: Transaction, message: str) -> None:
        outcome.append(f"refused: {message}")

    try:
        if carry_out(watch, intent, settle, give_up):
            watch.telemetry.count("rollbacks_total", policy=watch.name, cause="person")
    except PermanentError as error:
        abandon(watch, intent, str(error), lambda _: None)
        outcome.append(f"refused: {error}")
    return outcome[-1]


def reconcile(watch: Watch) -> bool:
    """Finish or give up an alias move that a crash left without a run to look after it."""
    with watch.store.read() as tx:
        intent = tx.open_intent(watch.name)
        run = tx.active_run(watch.name)
    if intent is None or (run is not None and run.id == intent.run_id):
        return False
    finish_loose_intent(watch, intent)
    return True

"""ROLLING_BACK: the champion alias goes back to the version before; tried until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.domain import AliasIntent, Champion, Run, RunId, Version
from ctrain.engine.alias_moves import abandon, carry_out, plan_move, record_intent
from ctrain.engine.champions import Aliases, is_gone, read_aliases
from ctrain.engine.moves import IDLE, MOVED, Step, announce, found_in, move, next_state, record_move
from ctrain.engine.watch import ACTOR
from ctrain.errors import PermanentError
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

RETRY_SECONDS = 60.0
"""After a failure, and after each further one twice as long as before."""
LONGEST_RETRY_SECONDS = 600.0
"""Each attempt stays on record for ever, and a way back may be closed for days."""


def roll_back(watch: Watch, run: Run) -> Step:
    """ROLLING_BACK -> ROLLED_BACK, SUPERSEDED or ROLLBACK_FAILED."""
    with watch.store.read() as tx:
        intent = tx.open_intent(watch.name)
    intent = intent or _plan(watch, run)
    moved: list[Run] = []

    def settle(tx: Transaction, champion: Champion) -> None:
        reason = f"version {champion.version} is the champion again: {_cause(run)}"
        moved.append(next_state(watch, run, RunEvent.ROLLED_BACK, reason))
        evidence = {"intent": intent.id, "version": champion.version, "previous": run.challenger_version}
        record_move(watch, tx, run, moved[-1], evidence=evidence)

    def give_up(tx: Transaction, message: str) -> None:
        moved.append(next_state(watch, run, RunEvent.SUPERSEDE, message))
        record_move(watch, tx, run, moved[-1])

    try:
        rolled_back = carry_out(watch, intent, settle, give_up)
    except PermanentError as error:
        return _failed(watch, run, intent, str(error))
    announce(watch, run, moved[-1])
    if rolled_back:
        watch.telemetry.count("rollbacks_total", policy=watch.name, cause=cause_label(run))
    return MOVED


def try_again(watch: Watch, run: Run) -> Step:
    """ROLLBACK_FAILED -> ROLLING_BACK, ever longer after each failure; after a restart at once."""
    if watch.timer.monotonic() < watch.retry_at.get(run.id, 0.0):
        return IDLE
    move(watch, run, RunEvent.ROLL_BACK, f"another attempt: {_cause(run)}")
    return MOVED


def _plan(watch: Watch, run: Run) -> AliasIntent:
    target = run.champion_version
    assert target is not None
    return plan_rollback(
        watch, read_aliases(watch), run.challenger_version, target, run_id=run.id, actor=run.actor
    )


def plan_rollback(
    watch: Watch,
    aliases: Aliases,
    expected: Version | None,
    target: Version,
    *,
    run_id: RunId | None,
    actor: str = ACTOR,
) -> AliasIntent:
    """The intent, on record, of a move back to ``target``.

    The previous-champion alias goes back to what it named before that promotion, so that a second
    rollback never returns to the version that was just left. A version that was deleted since is not named.
    """
    with watch.store.read() as tx:
        earlier = [one for one in tx.intents(watch.name) if one.outcome == "done" and one.kind == "promotion"]
    before = next((one.expected_previous for one in earlier if one.new_champion == aliases.champion), None)
    expected_aliases = Aliases(expected if expected is not None else aliases.champion, aliases.previous)
    new_previous = None if before in {None, target} or is_gone(watch, before) else before
    intent = plan_move(watch, "rollback", expected_aliases, target, new_previous, run_id=run_id, actor=actor)
    record_intent(watch, intent)
    return intent


def _cause(run: Run) -> str:
    return str(found_in(run, "rollback").get("reason") or run.outcome_reason)


def cause_label(run: Run) -> str:
    """``probation`` or ``person``: who wanted the version before back."""
    return str(found_in(run, "rollback").get("cause", "probation"))


def _failed(watch: Watch, run: Run, intent: AliasIntent, reason: str) -> Step:
    """Say loudly that the way back is closed, and try again later; the alias has not moved."""
    moved: list[Run] = []

    def fail(tx: Transaction) -> None:
        moved.append(next_state(watch, run, RunEvent.ROLLBACK_FAILED, reason))
        record_move(watch, tx, run, moved[-1])

    abandon(watch, intent, reason, fail)
    announce(watch, run, moved[-1])
    watch.failures[run.id] = failures = watch.failures.get(run.id, 0) + 1
    wait = min(RETRY_SECONDS * 2 ** min(failures - 1, 10), LONGEST_RETRY_SECONDS)
    watch.retry_at[run.id] = watch.timer.monotonic() + wait
    return MOVED

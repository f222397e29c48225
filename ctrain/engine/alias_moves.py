"""Moving the champion alias: intent on record, verify, re-read, move, read back, commit.

The registry has no compare-and-set, so the plan is committed to the store before the registry is
touched. Whoever finds an open intent (this tick, or the next one after a crash) derives the next
step from the aliases as they are now; the same code promotes, rolls back and reconciles.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ctrain.domain import AliasIntent, Champion, RunId, Version
from ctrain.engine.champions import Aliases, cut_off, install_champion, read_aliases
from ctrain.engine.digests import verify_digest
from ctrain.engine.watch import ACTOR
from ctrain.errors import TransientError
from ctrain.lifecycle.alias_steps import AliasStep, next_alias_step

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

MAX_STEPS = 6
"""An alias move needs at most three writes; more means that somebody else keeps writing."""

Settle = Callable[["Transaction", Champion], None]
"""What else is committed together with the finished move: the run's phase, events."""


def plan_move(
    watch: Watch,
    kind: Literal["promotion", "rollback", "adoption"],
    aliases: Aliases,
    new_champion: Version,
    new_previous: Version | None,
    *,
    run_id: RunId | None = None,
    actor: str = ACTOR,
) -> AliasIntent:
    """The intent of a move away from ``aliases``; not yet on record."""
    return AliasIntent(
        id=uuid.uuid4().hex,
        policy=watch.name,
        model=watch.policy.model.name,
        kind=kind,
        expected_champion=aliases.champion,
        expected_previous=aliases.previous,
        new_champion=new_champion,
        new_previous=new_previous,
        fencing_token=_token(watch),
        created_at=watch.clock.now(),
        run_id=run_id,
        actor=actor,
    )


def _token(watch: Watch) -> int:
    return watch.lease[1] if watch.lease else 0


def record_intent(watch: Watch, intent: AliasIntent) -> None:
    """Commit the plan; from here on a crash is finished or reverted by whoever comes next."""
    watch.moves_begun.add(intent.id)
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.record_intent(intent)
        tx.append_event(
            watch.event(
                "alias_intent",
                f"{intent.kind}: champion {intent.expected_champion} -> {intent.new_champion}",
                run_id=intent.run_id,
                actor=intent.actor,
                evidence={"intent": intent.id, "new_previous": intent.new_previous},
            )
        )


def carry_out(
    watch: Watch, intent: AliasIntent, settle: Settle, give_up: Callable[[Transaction, str], None]
) -> bool:
    """Bring an intent to its end; True when the champion alias names the new version.

    ``settle`` is called inside the transaction that closes a finished intent, ``give_up`` inside
    the one that closes a superseded intent (someone else moved the alias; it stays as it is).

    Raises
    ------
    TransientError
        when the registry does not answer; the intent stays open and is taken up again.
    PermanentError
        when the artifact is not the one that was compared; no alias was moved to it.
    """
    for _ in range(MAX_STEPS):
        now = read_aliases(watch)
        step = next_alias_step(intent, now.champion, now.previous)
        if step is AliasStep.DONE:
            _finish(watch, intent, settle)
            return True
        if step is AliasStep.SUPERSEDED:
            _supersede(watch, intent, now, give_up)
            return False
        _take(watch, intent, step)
    raise TransientError(f"the aliases of {intent.model} keep changing under the {intent.kind}")


def _take(watch: Watch, intent: AliasIntent, step: AliasStep) -> None:
    """Write one alias, unless another daemon has taken over: its writes must not be undone by ours."""
    with watch.store.write() as tx:
        watch.fence(tx)
    model, aliases = watch.policy.model.name, watch.policy.model.aliases
    if step is AliasStep.SET_PREVIOUS:
        _point(watch, model, aliases.previous_champion, intent.new_previous)
    elif step is AliasStep.RESTORE_PREVIOUS:
        _point(watch, model, aliases.previous_champion, intent.expected_previous)
    else:
        verify_digest(watch, intent.new_champion)
        unchanged = watch.registry.alias(model, aliases.champion) == intent.expected_champion
        if unchanged:
            watch.registry.set_alias(model, aliases.champion, intent.new_champion)


def _point(watch: Watch, model: str, alias: str, version: Version | None) -> None:
    if version is None:
        watch.registry.delete_alias(model, alias)
    else:
        watch.registry.set_alias(model, alias, version)


def _finish(watch: Watch, intent: AliasIntent, settle: Settle) -> None:
    now = watch.clock.now()
    origin: Literal["promoted", "rolled_back", "adopted", "first"] = "promoted"
    if intent.kind == "rollback":
        origin = "rolled_back"
    elif intent.kind == "adoption":
        origin = "adopted"
    elif intent.expected_champion is None:
        origin = "first"
    version = watch.registry.version(intent.model, intent.new_champion)
    champion = Champion(intent.new_champion, since_at=now, origin=origin, cut_off_at=cut_off(version))
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.close_intent(intent.id, "done", _token(watch))
        _tell_if_found(watch, tx, intent, "finished")
        install_champion(watch, tx, champion)
        settle(tx, champion)
    watch.telemetry.log("alias_moved", policy=watch.name, kind=intent.kind, version=intent.new_champion)


def _tell_if_found(watch: Watch, tx: Transaction, intent: AliasIntent, how: str) -> None:
    """Put on record what became of a move that another daemon began, or this one before it was killed."""
    if intent.id in watch.moves_begun:
        return
    tx.append_event(
        watch.event(
            "reconciled",
            f"the {intent.kind} of version {intent.new_champion} was found half done, and was {how}",
            run_id=intent.run_id,
            evidence={"intent": intent.id, "how": how, "begun_by": intent.fencing_token},
        )
    )


def _supersede(
    watch: Watch, intent: AliasIntent, now: Aliases, give_up: Callable[[Transaction, str], None]
) -> None:
    moved, to = "champion", now.champion
    if now.champion == intent.expected_champion:
        moved, to = "previous-champion", now.previous
    message = (
        f"someone else moved the {moved} alias to {to or 'no version'} during the {intent.kind} "
        f"of version {intent.new_champion}; it stays as they set it"
    )
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.close_intent(intent.id, "superseded", _token(watch))
        _tell_if_found(watch, tx, intent, "given up")
        tx.append_event(watch.event("superseded", message, run_id=intent.run_id, actor=intent.actor))
        give_up(tx, message)
    watch.telemetry.count("registry_divergence_total", policy=watch.name)
    watch.registry_view.read_at = None


def abandon(watch: Watch, intent: AliasIntent, reason: str, also: Callable[[Transaction], None]) -> None:
    """Put the previous-champion alias back where it was and close the intent as reverted.

    The champion alias has not been moved when this is called.
    """
    aliases = watch.policy.model.aliases
    now = read_aliases(watch)
    if now.previous == intent.new_previous != intent.expected_previous:
        _point(watch, intent.model, aliases.previous_champion, intent.expected_previous)
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.close_intent(intent.id, "reverted", _token(watch))
        _tell_if_found(watch, tx, intent, "reverted")
        tx.append_event(
            watch.event(
                "reverted", f"{intent.kind} given up: {reason}", run_id=intent.run_id, actor=intent.actor
            )
        )
        also(tx)

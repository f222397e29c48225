"""A late write of our own in the registry: recognised by the intent of its move, and reverted once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import AliasIntent, Champion, Version
from ctrain.engine.alias_moves import abandon, carry_out, plan_move, record_intent
from ctrain.engine.champions import STALE_WRITE, Aliases, read_aliases
from ctrain.engine.digests import ensure_digest
from ctrain.errors import PermanentError

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


def revert_stale_write(watch: Watch) -> bool:
    """Point the champion alias back at the champion on record; True when there was such a write."""
    view = watch.registry_view
    stale, view.stale_write = view.stale_write, None
    if stale is None:
        return False
    with watch.store.read() as tx:
        known, other = tx.champion(watch.name), tx.open_intent(watch.name)
        settled = [one for one in tx.intents(watch.name) if one.outcome == "done"]
    aliases = read_aliases(watch)
    view.read_at = None
    if known is None or other is not None or aliases.champion != stale.new_champion:
        return False
    _revert(watch, stale, known, aliases, _previous(stale, settled, aliases))
    return True


def _previous(stale: AliasIntent, settled: list[AliasIntent], aliases: Aliases) -> Version | None:
    """Where the previous champion's alias belongs: the late daemon may have moved that one, too."""
    if settled and aliases.previous in {stale.new_previous, stale.expected_previous}:
        return settled[0].new_previous
    return aliases.previous


def _revert(
    watch: Watch, stale: AliasIntent, known: Champion, aliases: Aliases, previous: Version | None
) -> None:
    ensure_digest(watch, known.version)
    intent = plan_move(watch, "rollback", aliases, known.version, previous)
    record_intent(watch, intent)
    what = (
        f"the champion alias named version {stale.new_champion} by a late write of ctrain itself: the "
        f"{stale.kind} that began under token {stale.fencing_token} was {stale.outcome} under "
        f"{stale.closing_token}"
    )

    def tell(tx: Transaction, message: str) -> None:
        evidence = {"stale": stale.id, "intent": intent.id, "version": known.version}
        tx.append_event(watch.event(STALE_WRITE, f"{what}; {message}", evidence=evidence))

    def settle(tx: Transaction, champion: Champion) -> None:
        tx.save_champion(watch.name, replace(known, version=champion.version))
        tell(tx, f"version {known.version} is the champion as before")

    try:
        carry_out(watch, intent, settle, tell)
    except PermanentError as error:
        refusal = f"it stays: {error}"
        abandon(watch, intent, refusal, lambda tx: tell(tx, refusal))
    watch.telemetry.log(STALE_WRITE, policy=watch.name, version=stale.new_champion, intent=stale.id)

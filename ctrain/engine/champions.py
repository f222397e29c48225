"""The champion as the registry names it: read, compared with what we know, never assumed.

"No champion exists" and "the champion cannot be read" are different things: an unreadable registry
leaves the last knowledge in place and stops every decision that would need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.domain import AliasIntent, Champion, ModelVersion, Version
from ctrain.engine.conditions import forget_conditions
from ctrain.engine.instants import EPOCH
from ctrain.engine.version_tags import CUT_OFF_TAG, tagged_instant
from ctrain.errors import CtrainError, Interrupted, PermanentError, TransientError
from ctrain.lifecycle.stale_writes import find_stale_write

if TYPE_CHECKING:
    from datetime import datetime

    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

CHAMPION_EVENTS = frozenset({"champion_found", "champion_changed_outside", "promoted", "rolled_back"})
STALE_WRITE = "stale_write_reverted"
EVENTS_LOOKED_AT = 10_000
READABLE, UNREADABLE = "registry_readable", "registry_unreadable"
RECENT_EVENTS = 200
DUE_FROM = 0.9
"""Of the time between two looks at the alias: a tick that came a little early would soon need another."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """The two aliases that a promotion moves, as just read."""

    champion: Version | None
    previous: Version | None


def read_aliases(watch: Watch) -> Aliases:
    """Both aliases now; raises TransientError when the registry does not answer."""
    model = watch.policy.model
    return Aliases(
        champion=watch.registry.alias(model.name, model.aliases.champion),
        previous=watch.registry.alias(model.name, model.aliases.previous_champion),
    )


def sync_champion(watch: Watch) -> bool:
    """Look at the champion alias when it is time, and record a move that was not ours.

    True when the known champion changed. While an alias move of our own is on record and not
    finished, its reconciliation decides what the alias means, not this.
    """
    view = watch.registry_view
    now_seconds = watch.timer.monotonic()
    if (
        view.readable
        and view.read_at is not None
        and now_seconds - view.read_at < watch.registry_poll_seconds * DUE_FROM * watch.pace.patience
    ):
        return False
    model = watch.policy.model
    try:
        seen = watch.registry.alias(model.name, model.aliases.champion)
        _readable(watch)
        view.read_at = now_seconds
        return _record(watch, seen)
    except (TransientError, PermanentError) as error:
        _unreadable(watch, error)
        return False


def install_champion(watch: Watch, tx: Transaction, champion: Champion | None) -> None:
    """Note the champion; conditions that were met by verdicts on another one begin anew."""
    tx.save_champion(watch.name, champion)
    forget_conditions(watch, tx)


def _readable(watch: Watch) -> None:
    """Note that the registry answers, and put on record that it does so again."""
    view = watch.registry_view
    watch.telemetry.gauge("registry_readable", 1.0, policy=watch.name)
    if not view.readable and _is_told(watch):
        _tell(watch, READABLE, "the registry answers again")
    view.readable, view.message, view.trouble_told = True, "", False


def _unreadable(watch: Watch, error: CtrainError) -> None:
    """Note that the registry does not answer; put on record once, its message may be new each time.

    A daemon that finds it on record says so in its own log; one that stops says nothing of the registry.
    """
    view, message = watch.registry_view, str(error)
    if isinstance(error, Interrupted):
        view.readable, view.message = False, message
        return
    watch.telemetry.gauge("registry_readable", 0.0, policy=watch.name)
    if not view.trouble_told and _is_told(watch):
        watch.telemetry.log(UNREADABLE, policy=watch.name, message=message)
    elif not view.trouble_told:
        _tell(watch, UNREADABLE, message)
    view.readable, view.message, view.trouble_told = False, message, True


def _is_told(watch: Watch) -> bool:
    """Whether it is on record that the registry does not answer, also from before a restart."""
    with watch.store.read() as tx:
        return tx.trouble(watch.name, UNREADABLE, READABLE) is not None


def _tell(watch: Watch, kind: str, message: str) -> None:
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.append_event(watch.event(kind, message))
    watch.telemetry.log(kind, policy=watch.name, message=message)


def _record(watch: Watch, seen: Version | None) -> bool:
    with watch.store.read() as tx:
        known = tx.champion(watch.name)
        if tx.open_intent(watch.name) is not None:
            return False
        if seen == (known.version if known else None):
            return False
        watch.registry_view.stale_write = _stale_write(watch, tx, seen) if known else None
    if watch.registry_view.stale_write is not None:
        return False
    first_sight = known is None and not _had_one_before(watch)
    champion = None if seen is None else _newcomer(watch, seen, first_sight=first_sight)
    if known is None:
        kind, message = "champion_found", f"the champion alias names {_name(seen)}; ctrain did not promote it"
    else:
        kind = "champion_changed_outside"
        message = f"the champion alias names {_name(seen)} instead of {_name(known.version)}; not by ctrain"
    with watch.store.write() as tx:
        watch.fence(tx)
        install_champion(watch, tx, champion)
        evidence = {"seen": seen, "version": seen, "previous": known.version if known else None}
        tx.append_event(watch.event(kind, message, evidence=evidence))
    if known is not None:
        watch.telemetry.count("registry_divergence_total", policy=watch.name)
    watch.telemetry.log(kind, policy=watch.name, version=seen)
    return True


def _stale_write(watch: Watch, tx: Transaction, seen: Version | None) -> AliasIntent | None:
    events = tx.events(watch.name, limit=RECENT_EVENTS)
    accounted = [str(event.evidence.get("stale")) for event in events if event.kind == STALE_WRITE]
    return find_stale_write(tx.intents(watch.name), seen, accounted, watch.clock.now())


def _had_one_before(watch: Watch) -> bool:
    """True when there was a champion once, and then none for a while."""
    with watch.store.read() as tx:
        return any(event.kind in CHAMPION_EVENTS for event in tx.events(watch.name, limit=EVENTS_LOOKED_AT))


def _name(version: Version | None) -> str:
    return "no version" if version is None else f"version {version}"


def _newcomer(watch: Watch, version: Version, *, first_sight: bool) -> Champion:
    """The record of a champion that ctrain did not set.

    One that was there before ctrain looked for the first time has been serving all along, so every
    row after its training counts; one that replaced a champion serves from now on.
    """
    seen_until = cut_off(watch.registry.version(watch.policy.model.name, version))
    since_at = (seen_until or EPOCH) if first_sight else watch.clock.now()
    return Champion(version=version, since_at=since_at, origin="external", cut_off_at=seen_until)


def is_gone(watch: Watch, version: Version) -> bool:
    """True when the registry confirms that there is no such version."""
    try:
        watch.registry.version(watch.policy.model.name, version)
    except PermanentError:
        return True
    return False


def cut_off(version: ModelVersion) -> datetime | None:
    """No training row of the version is as late as this instant; None when nobody recorded it."""
    return tagged_instant(version.tags, CUT_OFF_TAG)

"""The champion as the registry names it: read, compared with what we know, never assumed.

"No champion exists" and "the champion cannot be read" are different things: an unreadable registry
leaves the last knowledge in place and stops every decision that would need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from ctrain.domain import Champion, ModelVersion, Version
from ctrain.errors import TransientError

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

CUT_OFF_TAG = "ctrain.cut_off"


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
        and now_seconds - view.read_at < watch.registry_poll_seconds
    ):
        return False
    model = watch.policy.model
    try:
        seen = watch.registry.alias(model.name, model.aliases.champion)
        view.readable, view.message, view.read_at = True, "", now_seconds
        return _record(watch, seen)
    except TransientError as error:
        _unreadable(watch, str(error))
        return False


def _unreadable(watch: Watch, message: str) -> None:
    view = watch.registry_view
    if view.readable or view.message != message:
        watch.telemetry.log("registry_unreadable", policy=watch.name, message=message)
    view.readable, view.message = False, message


def _record(watch: Watch, seen: Version | None) -> bool:
    with watch.store.read() as tx:
        known = tx.champion(watch.name)
        if tx.open_intent(watch.name) is not None:
            return False
    if seen == (known.version if known else None):
        return False
    champion = None if seen is None else describe(watch, seen, "external", watch.clock.now())
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.save_champion(watch.name, champion)
        tx.append_event(
            watch.event(
                "champion_changed_outside",
                f"the champion alias names {_name(seen)} instead of "
                f"{_name(known.version if known else None)}; ctrain did not move it",
                evidence={"seen": seen, "known": known.version if known else None},
            )
        )
    watch.telemetry.count("registry_divergence_total", policy=watch.name)
    watch.telemetry.log("champion_changed_outside", policy=watch.name, version=seen)
    return True


def _name(version: Version | None) -> str:
    return "no version" if version is None else f"version {version}"


def describe(
    watch: Watch, version: Version, origin: Literal["adopted", "external"], since_at: datetime
) -> Champion:
    """The champion record of a version; its cut-off is in its tags when ctrain trained it."""
    found = watch.registry.version(watch.policy.model.name, version)
    return Champion(version=version, since_at=since_at, origin=origin, cut_off_at=cut_off(found))


def cut_off(version: ModelVersion) -> datetime | None:
    """No training row of the version is as late as this instant; None when nobody recorded it."""
    text = version.tags.get(CUT_OFF_TAG)
    return datetime.fromisoformat(text) if text else None

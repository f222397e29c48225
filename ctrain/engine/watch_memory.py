"""What a watch remembers from one tick of its policy to the next; a restart may forget all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ctrain.domain import TriggerName, TriggerState

if TYPE_CHECKING:
    from ctrain.domain import AliasIntent, IngestState, RunId
    from ctrain.lifecycle.promoted_share import Promotions
    from ctrain.stats.reference import Reference
    from ctrain.triggers.spending import Spending

States = dict[TriggerName, TriggerState]
VariabilityKey = tuple[str, tuple[datetime, datetime], timedelta, int, str]
"""Grid, stretch of the reference, length of the window, its ``min_rows``, test."""


@dataclass(slots=True)
class RegistryView:
    """What the last look at the champion alias showed; nothing is decided on an unreadable one."""

    readable: bool = False
    read_at: float | None = None
    """Real seconds of the last successful look; None: look now."""
    message: str = "the registry has not been read yet"
    hidden: bool = True
    """The gauges of the monitors do not show the newest verdicts."""
    stale_write: AliasIntent | None = None
    """The move whose late write the alias shows: it is to be reverted."""
    trouble_told: bool = False
    """It is on record that the registry cannot be read."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Since when, until when (real seconds), under which lease, and what had been read."""

    since: datetime
    ends_at: float
    lease: tuple[str, int] | None
    state: IngestState
    unread_since: float | None = None
    """Real seconds when something was found that waits for more to come."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What decisions were made on: facts that the daemon makes, and what people want."""

    facts: tuple[object, ...]
    paused: bool
    asked: tuple[int, ...]
    """Open requests to train."""


class ClockStates(NamedTuple):
    """States of the conditions on the clock, by which the next tick folds them on."""

    policy_hash: str
    stored: States
    folded: States
    """As of the last tick, which stores them only when they are news."""


class OlderRuns(NamedTuple):
    """What runs before the newest ones cost that the budget counts."""

    oldest_read: RunId
    """The oldest of the newest ones, when this was added up."""
    per: timedelta
    """The stretch of time that the budget counts."""
    spending: Spending


class LastYear(NamedTuple):
    """What the runs of a year come to, and of which run, phase and day that was found."""

    found_for: tuple[object, ...]
    alpha: float
    """Levels of the shadows, added up."""
    promotions: Promotions


class InForce(NamedTuple):
    """The reference that windows are compared with now."""

    whole: Reference
    inputs: Reference
    """Without its scores, which are counted on a grid of their own."""

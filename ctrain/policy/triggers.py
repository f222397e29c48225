"""The ``triggers`` part of a policy: conditions over monitors, schedules and volumes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, Tag

from ctrain.policy.fields import Duration, Frozen, Name, PositiveDuration, Text, Zone, variant_by_key


class AllOf(Frozen):
    """Met while every named monitor is BREACHED, without a break for at least ``for``."""

    all: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Monitors that must all be BREACHED."""
    for_: Duration = Field(default=timedelta(0), alias="for")
    """How long, in event time, the condition must hold without a break."""
    hold: Duration = timedelta(0)
    """How long a met condition stays met after the last pane that met it."""

    @property
    def monitors(self) -> tuple[str, ...]:
        return self.all

    @property
    def needed(self) -> int:
        """How many of the monitors must be BREACHED."""
        return len(self.all)


class AnyOf(Frozen):
    """Met while at least one named monitor is BREACHED."""

    any: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Monitors of which one must be BREACHED."""
    for_: Duration = Field(default=timedelta(0), alias="for")
    """How long, in event time, the condition must hold without a break."""
    hold: Duration = timedelta(0)
    """How long a met condition stays met after the last pane that met it."""

    @property
    def monitors(self) -> tuple[str, ...]:
        return self.any

    @property
    def needed(self) -> int:
        """How many of the monitors must be BREACHED."""
        return 1


class AtLeast(Frozen):
    """Met while at least so many of the named monitors are BREACHED."""

    at_least: Annotated[int, Field(ge=1)]
    """How many of the monitors must be BREACHED."""
    of: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The monitors that are counted."""
    for_: Duration = Field(default=timedelta(0), alias="for")
    """How long, in event time, the condition must hold without a break."""
    hold: Duration = timedelta(0)
    """How long a met condition stays met after the last pane that met it."""

    @property
    def monitors(self) -> tuple[str, ...]:
        return self.of

    @property
    def needed(self) -> int:
        """How many of the monitors must be BREACHED."""
        return self.at_least


class Cron(Frozen):
    """Fires at the times of a cron expression in a time zone; Sunday is 0 or 7."""

    cron: Text
    """Five fields: minute, hour, day of month, month, day of week."""
    timezone: Zone
    """IANA zone whose wall clock the expression means."""


class Every(Frozen):
    """Fires whenever an interval has passed."""

    every: PositiveDuration
    """The interval, counted from the previous occurrence; the first from when the trigger came."""


class NewLabels(Frozen):
    """Fires once so many labelled, matured rows have come since the last training cut-off."""

    new_labels: Annotated[int, Field(ge=1)]
    """Labelled rows since the last training cut-off."""


class Prices(Frozen):
    """What a worse prediction and a training cost."""

    error_price: Annotated[float, Field(gt=0)]
    """Price of one unit of ``model.metric`` on one row."""
    training_price: Annotated[float, Field(gt=0)] | None = None
    """Price of one training."""
    training_rate: Annotated[float, Field(gt=0)] | None = None
    """Price of one hour of training, instead: a training is reckoned to take the median of past ones, and
    `train.timeout` before the first."""
    currency: Text
    """What prices are in."""
    min_rows: Annotated[int, Field(ge=1)] = 500
    """Rows that the champion was not trained on from which its fresh loss is known: held-out ones, then the
    first matured ones. Eight panes are needed in any case."""


class Regret(Frozen):
    """Fires once the champion has cost as much more than a fresh model would have as a training costs."""

    regret: Prices
    """The prices."""


Condition = AllOf | AnyOf | AtLeast
Schedule = Cron | Every
TRIGGER_KEYS = {
    "all": "<AllOf>",
    "any": "<AnyOf>",
    "at_least": "<AtLeast>",
    "cron": "<Cron>",
    "every": "<Every>",
    "new_labels": "<NewLabels>",
    "regret": "<Regret>",
}
Trigger = Annotated[
    Annotated[AllOf, Tag("<AllOf>")]
    | Annotated[AnyOf, Tag("<AnyOf>")]
    | Annotated[AtLeast, Tag("<AtLeast>")]
    | Annotated[Cron, Tag("<Cron>")]
    | Annotated[Every, Tag("<Every>")]
    | Annotated[NewLabels, Tag("<NewLabels>")]
    | Annotated[Regret, Tag("<Regret>")],
    variant_by_key(TRIGGER_KEYS),
]

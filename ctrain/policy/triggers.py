"""The ``triggers`` part of a policy: conditions over monitors, schedules and volumes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ctrain.policy.fields import Duration, Frozen, Name, PositiveDuration, Zone


class AllOf(Frozen):
    """Met while every named monitor is BREACHED, without a break for at least ``for``."""

    all: Annotated[tuple[Name, ...], Field(min_length=1)]
    for_: Duration = Field(default=timedelta(0), alias="for")
    hold: Duration = timedelta(0)


class AnyOf(Frozen):
    any: Annotated[tuple[Name, ...], Field(min_length=1)]
    for_: Duration = Field(default=timedelta(0), alias="for")
    hold: Duration = timedelta(0)


class AtLeast(Frozen):
    at_least: Annotated[int, Field(ge=1)]
    of: Annotated[tuple[Name, ...], Field(min_length=1)]
    for_: Duration = Field(default=timedelta(0), alias="for")
    hold: Duration = timedelta(0)


class Cron(Frozen):
    cron: str
    timezone: Zone


class Every(Frozen):
    every: PositiveDuration


class NewLabels(Frozen):
    new_labels: Annotated[int, Field(ge=1)]


Trigger = AllOf | AnyOf | AtLeast | Cron | Every | NewLabels

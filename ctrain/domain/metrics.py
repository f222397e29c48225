"""Questions to a metrics server, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A PromQL expression, asked as of an instant."""

    url: str
    query: str
    at: datetime
    max_age: timedelta
    """Samples older than this are not wanted."""
    token: str | None = field(default=None, repr=False)
    by: str | None = None
    """Label that names the series of the answer; without it one number is wanted."""


@dataclass(frozen=True, slots=True)
class Series:
    """The newest number of one series of an answer, and when it was sampled if that is known."""

    value: float
    sampled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The answer: a number and when it was sampled, or a number for each series, or why there is none."""

    at: datetime
    """The instant that was asked for."""
    value: float | None = None
    sampled_at: datetime | None = None
    problem: str = ""
    series: Mapping[str, Series] = field(default_factory=dict)
    """By the value of the label that was asked for."""

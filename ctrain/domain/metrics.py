"""Questions to a metrics server, and what comes back."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Sample:
    """The answer: a number and when it was sampled, or why there is none."""

    at: datetime
    """The instant that was asked for."""
    value: float | None = None
    sampled_at: datetime | None = None
    problem: str = ""

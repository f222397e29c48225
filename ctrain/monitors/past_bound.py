"""One stream of samples and its bounds: has the value been past one of them for long enough?

An unusable sample neither confirms what was seen before nor takes it back: a stretch beyond the bound
goes on when the next sample is beyond it, too, unless ``max_age`` has passed in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrain.domain import Json, Sample, Status
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import PrometheusMonitor


@dataclass(frozen=True, slots=True)
class Past:
    """Since when a bound has been passed, and when that was seen last."""

    since: datetime | None = None
    last: datetime | None = None

    @classmethod
    def of(cls, state: Json) -> Past:
        since, last = (instant_in(state, key) for key in ("since", "last"))
        return cls(since, last)

    def to_json(self) -> dict[str, Any]:
        return {
            key: moment and moment.isoformat() for key, moment in (("since", self.since), ("last", self.last))
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """What one sample means."""

    past: Past
    status: Status
    reason: str
    value: float | None
    """None of a sample that says nothing."""
    threshold: float | None

    @property
    def is_usable(self) -> bool:
        return self.status is not Status.INCONCLUSIVE


def judge_sample(monitor: PrometheusMonitor, sample: Sample, past: Past) -> Judged:
    """Return what one more sample of a stream means, given what was remembered of it.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> monitor = PrometheusMonitor(type="prometheus", url="http://localhost:9090", query="q", above=1)
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> judge_sample(monitor, Sample(noon, 2.0, noon), Past()).reason
    '2 is above 1, for 0s'

    References
    ----------
    The ``for`` clause of Prometheus' alerting rules.
    """
    problem = _problem(monitor, sample)
    if problem or sample.value is None:
        return Judged(past, Status.INCONCLUSIVE, problem, None, nearest_bound(monitor, None))
    bound, side = nearest_bound(monitor, sample.value), _side(monitor, sample.value)
    if not side:
        reason = f"{_number(sample.value)} is {_bounds(monitor)}"
        return Judged(Past(), Status.OK, reason, sample.value, bound)
    goes_on = past.last is not None and sample.at - past.last <= max(monitor.max_age, 2 * monitor.every)
    since = past.since if goes_on and past.since is not None else sample.at
    lasted = sample.at - since
    reason = f"{_number(sample.value)} is {side}, for {format_duration(lasted)}"
    if lasted < monitor.for_:
        reason += f" of {format_duration(monitor.for_)}"
    status = Status.BREACHED if lasted >= monitor.for_ else Status.OK
    return Judged(Past(since, sample.at), status, reason, sample.value, bound)


def nearest_bound(monitor: PrometheusMonitor, value: float | None) -> float | None:
    """Return the bound that is shown beside a value: ``above`` where there is one, unless it is below."""
    low = monitor.below is not None and value is not None and value < monitor.below
    bound = monitor.below if low else monitor.above
    return bound if bound is not None else monitor.below


def excess(monitor: PrometheusMonitor, value: float) -> float:
    """Return by how much a value is past its bound; negative: by how much it is within.

    >>> monitor = PrometheusMonitor(type="prometheus", url="http://localhost", query="q", above=5, below=1)
    >>> excess(monitor, 7.0), excess(monitor, 0.5), excess(monitor, 4.0)
    (2.0, 0.5, -1.0)
    """
    above = -math.inf if monitor.above is None else value - monitor.above
    below = -math.inf if monitor.below is None else monitor.below - value
    return max(above, below)


def instant_in(state: Json, key: str) -> datetime | None:
    """Return the instant that is written under a key; None where there is none."""
    written = state.get(key)
    return datetime.fromisoformat(written) if written else None


def _problem(monitor: PrometheusMonitor, sample: Sample) -> str:
    """Why the sample says nothing; empty when it does."""
    if sample.problem:
        return sample.problem
    if sample.value is None or math.isnan(sample.value):
        return "the answer is not a number (NaN)"
    if sample.sampled_at is not None and sample.at - sample.sampled_at > monitor.max_age:
        age, allowed = sample.at - sample.sampled_at, monitor.max_age
        return f"the newest sample is {format_duration(age)} old, {format_duration(allowed)} are allowed"
    return ""


def _side(monitor: PrometheusMonitor, value: float) -> str:
    """Which bound is passed, in words; empty when none is."""
    if monitor.above is not None and value > monitor.above:
        return f"above {_number(monitor.above)}"
    if monitor.below is not None and value < monitor.below:
        return f"below {_number(monitor.below)}"
    return ""


def _bounds(monitor: PrometheusMonitor) -> str:
    low, high = monitor.below, monitor.above
    if low is not None and high is not None:
        return f"within {_number(low)} and {_number(high)}"
    return f"at most {_number(high)}" if high is not None else f"at least {_number(low or 0.0)}"


def _number(value: float) -> str:
    return f"{value:.6g}"

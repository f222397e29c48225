"""Production metrics: has the value of a PromQL expression been past its bound for long enough?

Silence is not health: no data, more than one series, NaN, an old sample or a server that does not
answer are INCONCLUSIVE. They neither confirm what was seen before nor take it back: a stretch beyond
the bound goes on when the next sample is beyond it, too, unless ``max_age`` has passed in between.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from ctrain.domain import Json, MonitorName, Sample, Status, Verdict
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import PrometheusMonitor

STATE_VERSION = 1


def assess_sample(
    name: MonitorName, monitor: PrometheusMonitor, sample: Sample, state: Json | None
) -> tuple[dict[str, Any], Verdict]:
    """Return what to remember and the verdict after one more answer of the server.

    Parameters
    ----------
    name, monitor
        which monitor of the policy.
    sample
        the answer; ``sample.at`` is the instant of the verdict.
    state
        what the last call returned; None before the first.

    Returns
    -------
    tuple of dict and Verdict
        The state is JSON. BREACHED once samples have been past the bound for ``for``, counted from the
        first of them; OK within the bounds; INCONCLUSIVE without a usable sample.

    Raises
    ------
    ValueError
        for a state of another version.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> monitor = PrometheusMonitor.model_validate(
    ...     {
    ...         "type": "prometheus",
    ...         "url": "http://localhost:9090",
    ...         "query": "latency",
    ...         "above": 0.2,
    ...         "for": "5m",
    ...     }
    ... )
    >>> state, verdict = assess_sample("latency", monitor, Sample(noon, 0.3, noon), None)
    >>> verdict.status.name, verdict.reason
    ('OK', '0.3 is above 0.2, for 0s of 5m')
    >>> in_a_while = noon + timedelta(minutes=5)
    >>> assess_sample("latency", monitor, Sample(in_a_while, 0.3, in_a_while), state)[1].status.name
    'BREACHED'

    References
    ----------
    The ``for`` clause of Prometheus' alerting rules.
    """
    past = _Past.of(state)
    problem = _problem(monitor, sample)
    if problem or sample.value is None:
        return past.to_json(), _verdict(name, monitor, sample, Status.INCONCLUSIVE, problem)
    side = _side(monitor, sample.value)
    if not side:
        reason = f"{_number(sample.value)} is {_bounds(monitor)}"
        return _Past(None, None).to_json(), _verdict(name, monitor, sample, Status.OK, reason)
    goes_on = past.last is not None and sample.at - past.last <= max(monitor.max_age, 2 * monitor.every)
    since = past.since if goes_on and past.since is not None else sample.at
    lasted = sample.at - since
    reason = f"{_number(sample.value)} is {side}, for {format_duration(lasted)}"
    if lasted < monitor.for_:
        reason += f" of {format_duration(monitor.for_)}"
    status = Status.BREACHED if lasted >= monitor.for_ else Status.OK
    return _Past(since, sample.at).to_json(), _verdict(name, monitor, sample, status, reason)


class _Past:
    """Since when the bound has been passed, and when that was seen last."""

    def __init__(self, since: datetime | None, last: datetime | None) -> None:
        self.since, self.last = since, last

    @classmethod
    def of(cls, state: Json | None) -> _Past:
        if state is None:
            return cls(None, None)
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"unknown version of a prometheus monitor's state: {state.get('version')}")
        since, last = (state[key] and datetime.fromisoformat(state[key]) for key in ("since", "last"))
        return cls(since, last)

    def to_json(self) -> dict[str, Any]:
        written = {
            key: moment and moment.isoformat() for key, moment in (("since", self.since), ("last", self.last))
        }
        return {"version": STATE_VERSION, **written}


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


def _verdict(
    name: MonitorName, monitor: PrometheusMonitor, sample: Sample, status: Status, reason: str
) -> Verdict:
    usable = status is not Status.INCONCLUSIVE
    value = sample.value if usable else None
    bound = monitor.below if value is not None and _is_low(monitor, value) else monitor.above
    threshold = bound if bound is not None else monitor.below
    return Verdict(name, sample.at, status, value, threshold, int(usable), reason)


def _is_low(monitor: PrometheusMonitor, value: float) -> bool:
    return monitor.below is not None and value < monitor.below

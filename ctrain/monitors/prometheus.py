"""Production metrics: has the value of a PromQL expression been past its bound for long enough?

Silence is not health: no data, more than one series (unless a label tells them apart), NaN, an old sample
or a server that does not answer are INCONCLUSIVE.
"""

from __future__ import annotations

from typing import Any

from ctrain.domain import Json, MonitorName, Sample, Verdict
from ctrain.monitors.past_bound import Past, judge_sample
from ctrain.monitors.prometheus_series import assess_series
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
        first of them; OK within the bounds; INCONCLUSIVE without a usable sample. With ``by`` the same
        of each series.

    Raises
    ------
    ValueError
        for a state of another version.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
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
    known = _known(state)
    if monitor.by is not None:
        written, verdict = assess_series(name, monitor, sample, known)
        return {"version": STATE_VERSION, **written}, verdict
    judged = judge_sample(monitor, sample, Past.of(known))
    verdict = Verdict(
        name,
        sample.at,
        judged.status,
        judged.value,
        judged.threshold,
        int(judged.is_usable),
        judged.reason,
    )
    return {"version": STATE_VERSION, **judged.past.to_json()}, verdict


def _known(state: Json | None) -> Json:
    if state is not None and state.get("version") != STATE_VERSION:
        raise ValueError(f"unknown version of a prometheus monitor's state: {state.get('version')}")
    return state or {}

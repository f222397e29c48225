"""Production metrics by a label: each series of the answer has bounds, ``for`` and staleness of its own.

A series that vanishes is not healthy: it is told of until ``max_age`` has passed three times, counted from
the first answer without it, and forgotten then. Answers that say nothing of any series change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ctrain.domain import FeatureVerdict, Json, MonitorName, Sample, Status, Verdict
from ctrain.monitors.first_few import first_few
from ctrain.monitors.past_bound import Judged, Past, excess, instant_in, judge_sample, nearest_bound
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import PrometheusMonitor

TEST = "prometheus"
PATIENCE = 3
"""Times ``max_age`` for which a series that has vanished is told of."""
MOST_NAMED = 5

Vanished = Mapping[str, tuple[datetime, Past]]
"""By series: the first answer without it, and what was remembered of it."""


def assess_series(
    name: MonitorName, monitor: PrometheusMonitor, sample: Sample, state: Json
) -> tuple[dict[str, Any], Verdict]:
    """Return what to remember and the verdict after one more answer with a number for each series.

    Parameters
    ----------
    name, monitor
        which monitor of the policy; it has ``by``.
    sample
        the answer; ``sample.at`` is the instant of the verdict.
    state
        what the last call returned; empty before the first, or when it was about another label.

    Returns
    -------
    tuple of dict and Verdict
        The state is JSON. BREACHED when a series has been past the bound for ``for``; else INCONCLUSIVE
        when one says nothing or has vanished, when there are none, or more than ``max_segments``; else OK.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ctrain.domain import Series
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> monitor = PrometheusMonitor(
    ...     type="prometheus", url="http://localhost:9090", query="backlog", above=10, by="queue"
    ... )
    >>> sample = Sample(noon, series={"mail": Series(3, noon), "post": Series(12, noon)})
    >>> _, verdict = assess_series("backlog", monitor, sample, {})
    >>> verdict.status.name, verdict.reason
    ('BREACHED', 'queue=post: 12 is above 10, for 0s; 1 of 2 series')

    References
    ----------
    The ``for`` clause of Prometheus' alerting rules, which is kept for each series, too.
    """
    problem = sample.problem or _too_many(monitor, len(sample.series))
    before = state if state.get("by") == monitor.by else {}
    if problem:
        return dict(before), _unusable(name, monitor, sample.at, problem)
    known = {series: Past.of(one) for series, one in before.get("series", {}).items()}
    gone_at = {series: instant_in(one, "gone") for series, one in before.get("series", {}).items()}
    judged = {
        series: judge_sample(monitor, Sample(sample.at, one.value, one.sampled_at), known.get(series, Past()))
        for series, one in sorted(sample.series.items())
    }
    missing = {
        series: (gone_at[series] or sample.at, past) for series, past in known.items() if series not in judged
    }
    vanished = _not_forgotten(monitor, missing, sample.at)
    remembered = {
        **{series: one.past.to_json() for series, one in judged.items()},
        **{series: {**past.to_json(), "gone": at.isoformat()} for series, (at, past) in vanished.items()},
    }
    written = {"by": monitor.by, "series": remembered}
    if not judged and not vanished:
        return written, _unusable(name, monitor, sample.at, "the query found no data")
    return written, _verdict(name, monitor, sample.at, judged, vanished)


def _too_many(monitor: PrometheusMonitor, count: int) -> str:
    if count <= monitor.max_segments:
        return ""
    most = f"max_segments allows {monitor.max_segments}"
    return f"the query gives {count} series by {monitor.by}, {most}: aggregate them, or raise max_segments"


def _not_forgotten(monitor: PrometheusMonitor, missing: Vanished, at: datetime) -> Vanished:
    """Those that are still told of: at most ``max_segments``, those that vanished last."""
    told = [(series, one) for series, one in missing.items() if at - one[0] < _patience(monitor)]
    return dict(sorted(told, key=lambda one: (one[1][0], one[0]), reverse=True)[: monitor.max_segments])


def _patience(monitor: PrometheusMonitor) -> timedelta:
    return PATIENCE * monitor.max_age


def _unusable(name: MonitorName, monitor: PrometheusMonitor, at: datetime, reason: str) -> Verdict:
    return Verdict(name, at, Status.INCONCLUSIVE, None, nearest_bound(monitor, None), 0, reason)


def _verdict(
    name: MonitorName,
    monitor: PrometheusMonitor,
    at: datetime,
    judged: Mapping[str, Judged],
    vanished: Vanished,
) -> Verdict:
    ranked = sorted(judged, key=lambda series: (-_excess(monitor, judged[series]), series))
    usable = [series for series in ranked if judged[series].is_usable]
    breached = [series for series in ranked if judged[series].status is Status.BREACHED]
    silent = {series: judged[series].reason for series in judged if series not in usable}
    until = format_duration(_patience(monitor))
    silent |= {
        series: f"it has vanished {_ago(at - since)}; it is forgotten after {until}"
        for series, (since, _) in sorted(vanished.items())
    }
    worst = judged[(breached or usable)[0]] if usable else None
    status = Status.BREACHED if breached else Status.INCONCLUSIVE if silent else Status.OK
    value = worst.value if worst is not None and status is not Status.INCONCLUSIVE else None
    within = [series for series in usable if series not in breached]
    features = [_feature(monitor, series, judged[series], "") for series in (*breached, *within)]
    features += [_feature(monitor, series, None, note) for series, note in silent.items()]
    return Verdict(
        name,
        at,
        status,
        value,
        nearest_bound(monitor, value),
        len(usable),
        _reason(monitor, judged, usable, breached, silent),
        tuple(features),
    )


def _reason(
    monitor: PrometheusMonitor,
    judged: Mapping[str, Judged],
    usable: list[str],
    breached: list[str],
    silent: Mapping[str, str],
) -> str:
    notes = {series: judged[series].reason for series in breached} or silent
    told = first_few([f"{monitor.by}={series}: {note}" for series, note in notes.items()], MOST_NAMED)
    if not notes:
        told.append(
            f"{monitor.by}={usable[0]}: {judged[usable[0]].reason}, the worst of {len(usable)} series"
        )
    elif breached:
        told.append(f"{len(breached)} of {len(usable)} series")
        told += [f"{len(silent)} say nothing"] if silent else []
    else:
        told.append(f"{len(usable)} series are not past their bound for long enough")
    return "; ".join(told)


def _feature(monitor: PrometheusMonitor, series: str, judged: Judged | None, note: str) -> FeatureVerdict:
    value = math.nan if judged is None or judged.value is None else judged.value
    threshold = nearest_bound(monitor, value)
    return FeatureVerdict(
        column=f"{monitor.by}={series}",
        test=TEST,
        statistic=value,
        effect=value,
        threshold=math.nan if threshold is None else threshold,
        breached=judged is not None and judged.status is Status.BREACHED,
        n=int(judged is not None),
        note=note if judged is None else judged.reason,
    )


def _excess(monitor: PrometheusMonitor, judged: Judged) -> float:
    return -math.inf if judged.value is None else excess(monitor, judged.value)


def _ago(passed: timedelta) -> str:
    return f"{format_duration(passed)} ago" if passed else "now"

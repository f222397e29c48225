"""A metric of each segment against the bounds of the whole, with regard to how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ctrain.domain import FeatureVerdict, Status, Verdict
from ctrain.monitors.first_few import first_few
from ctrain.policy.monitors import EstimatedPerformanceMonitor, PerformanceMonitor
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.tails import normal_tail

FALSE_DISCOVERY_RATE = 0.05
MOST_NAMED = 5

MetricMonitor = PerformanceMonitor | EstimatedPerformanceMonitor


@dataclass(frozen=True, slots=True)
class SegmentRows:
    """Which of the rows that were handed over are of a segment, and how many it has in the window."""

    name: str
    mask: npt.NDArray[np.bool_]
    window_rows: int


@dataclass(frozen=True, slots=True)
class SegmentMetric:
    """The metric of one segment, or (``lack``) why there is none to judge."""

    name: str
    value: float | None
    deviation: float | None
    """Standard deviation of ``value`` around what it is about."""
    n: int
    lack: str = ""


def with_segments(verdict: Verdict, monitor: MetricMonitor, segments: Sequence[SegmentMetric]) -> Verdict:
    """Return the verdict on all rows, or on the segments where one of them is BREACHED.

    A segment is when its metric lies beyond a bound, and would hardly (one-sided, false discovery rate
    0.05 over the segments) if its rows were at the bound. Segments that cannot be judged say nothing;
    INCONCLUSIVE when there is no other.

    Parameters
    ----------
    verdict
        on all rows of the window.
    monitor
        its metric, bounds and ``by``.
    segments
        all of them, those without enough rows, too.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57(1), 289-300.
    """
    features = _judged(monitor, segments)
    breached = sorted((one for one in features if one.breached), key=lambda one: one.p_adjusted)
    skipped = sum(bool(one.lack) for one in segments)
    if breached:
        worst = breached[0]
        told = first_few([one.note for one in breached], MOST_NAMED)
        return replace(
            verdict,
            status=Status.BREACHED,
            value=worst.statistic if verdict.status is not Status.BREACHED else verdict.value,
            threshold=worst.threshold if verdict.status is not Status.BREACHED else verdict.threshold,
            reason="; ".join([*told, f"all rows: {verdict.reason}"]),
            features=features,
        )
    if verdict.status is Status.OK and skipped == len(segments):
        lack = segments[0].lack if segments else "there are no rows"
        reason = f"no segment of {monitor.by} can be judged ({lack}); all rows: {verdict.reason}"
        return replace(verdict, status=Status.INCONCLUSIVE, reason=reason, features=features)
    looked_at = f"; none of {len(segments) - skipped} segments of {monitor.by} is beyond them for certain"
    left_out = f", {skipped} cannot be judged" if skipped else ""
    return replace(verdict, reason=verdict.reason + looked_at + left_out, features=features)


def beyond(monitor: MetricMonitor, value: float) -> float | None:
    """Return the bound that the value lies beyond, strictly; None where it lies within."""
    if monitor.above is not None and value > monitor.above:
        return monitor.above
    if monitor.below is not None and value < monitor.below:
        return monitor.below
    return None


def nearest_bound(monitor: MetricMonitor) -> float:
    """Return the bound that is shown while a value lies within."""
    bound = monitor.above if monitor.above is not None else monitor.below
    return math.nan if bound is None else bound


def _judged(monitor: MetricMonitor, segments: Sequence[SegmentMetric]) -> tuple[FeatureVerdict, ...]:
    judged = [one for one in segments if not one.lack]
    p_values = [_p_value(monitor, one) for one in judged]
    adjusted = dict(zip([one.name for one in judged], benjamini_hochberg(p_values), strict=True))
    raw = dict(zip([one.name for one in judged], p_values, strict=True))
    found = []
    for one in segments:
        value = math.nan if one.value is None else one.value
        bound = beyond(monitor, value)
        p_adjusted = adjusted.get(one.name, math.nan)
        breached = bound is not None and p_adjusted <= FALSE_DISCOVERY_RATE
        found.append(
            FeatureVerdict(
                column=f"{monitor.metric} [{monitor.by}={one.name}]",
                test=monitor.metric,
                statistic=value,
                p_value=raw.get(one.name, math.nan),
                p_adjusted=p_adjusted,
                effect=value,
                threshold=nearest_bound(monitor) if bound is None else bound,
                breached=breached,
                n=one.n,
                note=one.lack or _told(monitor, one, bound, p_adjusted, len(judged)),
            )
        )
    return tuple(found)


def _p_value(monitor: MetricMonitor, one: SegmentMetric) -> float:
    """The chance of a value as far beyond the bound as this one, if the truth is the bound."""
    assert one.value is not None
    bound = beyond(monitor, one.value)
    if bound is None:
        return 1.0
    if not one.deviation:
        return 0.0 if one.deviation == 0 else 1.0
    return normal_tail(abs(one.value - bound) / one.deviation)


def _told(
    monitor: MetricMonitor, one: SegmentMetric, bound: float | None, p_adjusted: float, judged: int
) -> str:
    where = f"{monitor.by}={one.name}: {monitor.metric} {one.value:.4g}"
    if bound is None:
        return f"{where} is within its bounds on {one.n} rows"
    side = "above" if bound == monitor.above else "below"
    return f"{where} is {side} {bound:g} on {one.n} rows (p {p_adjusted:.2g} among {judged} segments)"

"""Change: have the losses of the champion risen since it was shown to rows it had not seen?

The baseline comes from losses of such rows. Where none exists (a champion that was adopted), the
first matured losses are collected inside the detector's state until there are ``min_rows`` of
them, and the verdict is INCONCLUSIVE until then. State and baseline belong to one model version:
a new champion begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json, MonitorName, Status, Verdict, Version
from ctrain.monitors.baselines import Baseline, make_baseline, rows_for_baseline
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.page_hinkley import LossDetector, Scale

__all__ = ["Baseline", "fold_losses", "make_baseline"]

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64] | Sequence[datetime]

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is remembered between panes; ``held`` is the latest detection."""

    detector: Json | None
    baseline: Baseline | None
    collected: tuple[float, ...]
    held: Json | None

    @classmethod
    def of(cls, state: Json | None, baseline: Baseline | None) -> _Memory:
        state = state or {"version": STATE_VERSION}
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"unknown version of a change monitor's state: {state.get('version')}")
        own = state.get("baseline")
        known = baseline or (Baseline.from_json(own) if own else None)
        return cls(state.get("detector"), known, tuple(state.get("collected", ())), state.get("held"))

    def to_json(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "detector": self.detector,
            "baseline": self.baseline.to_json() if self.baseline else None,
            "collected": list(self.collected),
            "held": self.held,
        }


def fold_losses(
    name: MonitorName,
    monitor: ChangeMonitor,
    baseline: Baseline | None,
    state: Json | None,
    losses: npt.ArrayLike,
    event_at: Instants,
    as_of: datetime,
    model_version: Version | None,
) -> tuple[dict[str, Any], Verdict]:
    """Return state and verdict after the losses of one more pane, fed in order.

    Parameters
    ----------
    name, monitor
        which monitor of the policy.
    baseline
        of this model version. None: the first ``min_rows`` losses become the baseline, kept in the
        state, and the detector begins behind them.
    state
        what the last call returned for this model version; None before the first.
    losses, event_at
        the matured rows of the pane in event-time order, with their instants (``datetime64``
        without zone means UTC). Losses that are not finite are skipped and counted.
    as_of
        end of the closed pane.
    model_version
        the version whose losses these are.

    Returns
    -------
    tuple of dict and Verdict
        The state is JSON. BREACHED in the pane of a detection and until ``hold`` of event time has
        passed since; else INCONCLUSIVE without a baseline or without a loss in this pane; else OK.
        The value is the statistic: the one that was detected while BREACHED, else the present one.

    Examples
    --------
    >>> monitor = ChangeMonitor(type="change", hold="1d", threshold=20)
    >>> baseline = Baseline(0.2, 0.1, 0.1, 20.0, 1000, "set by the policy")
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> _, verdict = fold_losses(
    ...     MonitorName("error"),
    ...     monitor,
    ...     baseline,
    ...     None,
    ...     [0.2, 0.9, 0.9, 0.9],
    ...     [noon] * 4,
    ...     noon,
    ...     Version("3"),
    ... )
    >>> verdict.status.value, verdict.reason[:42]
    ('BREACHED', 'losses rose: statistic 20.7 > 20.0 at 2026')

    References
    ----------
    ``ctrain.stats.page_hinkley``.
    """
    values = np.asarray(losses, dtype=np.float64)
    memory, taken = _with_baseline(monitor, _Memory.of(state, baseline), values)
    if memory.baseline is None:
        reason = _not_yet(monitor, memory)
        return memory.to_json(), Verdict(
            name, as_of, Status.INCONCLUSIVE, None, None, 0, reason, model_version=model_version
        )
    memory, now = _detect(monitor, memory, memory.baseline, values[taken:], event_at[taken:], as_of)
    status, value, reason = _judge(monitor, memory, now, as_of)
    return memory.to_json(), Verdict(
        name, as_of, status, value, now.threshold, now.rows, reason, model_version=model_version
    )


@dataclass(frozen=True, slots=True)
class _Present:
    """Where the detector stands after a pane, for words and numbers of the verdict."""

    statistic: float
    threshold: float
    rows: int
    mean: float
    baseline_mean: float


def _with_baseline(monitor: ChangeMonitor, memory: _Memory, values: Floats) -> tuple[_Memory, int]:
    """Make the baseline of first losses when there are enough; return how many were taken for it.

    Losses that are all equal give no baseline; of them the latest ``min_rows`` are kept.
    """
    if memory.baseline is not None:
        return memory, 0
    positions = np.flatnonzero(np.isfinite(values))
    have = len(memory.collected)
    pool = np.concatenate([memory.collected, values[positions]])
    end = max(rows_for_baseline(pool, monitor.min_rows), have)
    baseline = make_baseline(monitor, pool[:end])
    if baseline is None:
        return _Memory(None, None, tuple(pool[-monitor.min_rows :].tolist()), None), values.size
    return _Memory(None, baseline, (), None), int(positions[end - have - 1]) + 1 if end > have else 0


def _not_yet(monitor: ChangeMonitor, memory: _Memory) -> str:
    have = len(memory.collected)
    if have < monitor.min_rows:
        return f"collecting a baseline: {have} of {monitor.min_rows} matured losses"
    return f"the latest {have} losses are all equal: there is no baseline to compare with"


def _detect(
    monitor: ChangeMonitor,
    memory: _Memory,
    baseline: Baseline,
    values: Floats,
    event_at: Instants,
    as_of: datetime,
) -> tuple[_Memory, _Present]:
    """Feed the losses; the latest detection is remembered with the pane that found it."""
    threshold = monitor.threshold if monitor.threshold is not None else baseline.threshold
    detector = LossDetector(
        Scale(baseline.mean, baseline.sd),
        threshold=threshold,
        delta=baseline.delta,
        direction=monitor.direction,
        state=memory.detector,
    )
    found, held = detector.feed(values), memory.held
    if found:
        last = found[-1]
        at = _instant(event_at[last.index])
        reason = (
            f"losses {'rose' if last.rose else 'fell'}: statistic {last.statistic:.1f} > {threshold:.1f}"
            f" at {at:%Y-%m-%d %H:%M}, mean loss {last.mean:.3f} over {last.rows} rows"
            f" against a baseline of {baseline.mean:.3f}"
        )
        held = {"since": as_of.isoformat(), "statistic": last.statistic, "reason": reason}
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if finite.size else float("nan")
    present = _Present(detector.statistic, threshold, int(finite.size), mean, baseline.mean)
    return _Memory(detector.to_json(), baseline, (), held), present


def _judge(
    monitor: ChangeMonitor, memory: _Memory, now: _Present, as_of: datetime
) -> tuple[Status, float, str]:
    held = memory.held
    if held is not None:
        since = datetime.fromisoformat(held["since"])
        if as_of == since or as_of - since < monitor.hold:
            return Status.BREACHED, float(held["statistic"]), str(held["reason"])
    if now.rows == 0:
        return Status.INCONCLUSIVE, now.statistic, "no matured loss in this pane"
    reason = (
        f"no change: statistic {now.statistic:.1f} of {now.threshold:.1f}, mean loss {now.mean:.3f}"
        f" on {now.rows} rows against a baseline of {now.baseline_mean:.3f}"
    )
    return Status.OK, now.statistic, reason


def _instant(value: Any) -> datetime:
    """The instant as timezone-aware UTC; ``datetime64`` has no zone and means UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    moment: datetime = np.datetime64(value, "us").astype(datetime)
    return moment.replace(tzinfo=UTC)

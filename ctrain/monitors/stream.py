"""One stream of values and its detector, from pane to pane: baseline, detections, how long they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json, Status
from ctrain.monitors.baselines import Baseline, make_baseline, rows_for_baseline
from ctrain.monitors.detector_setup import Bounds
from ctrain.policy.monitors import ChangeMonitor
from ctrain.stats.detectors.detection import Detection

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64] | Sequence[datetime]

PANES_KEPT = 64
"""Latest panes whose beginning is remembered, to say since when a change lasts."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is watched: its name in sentences, what one value belongs to, and what is known of it."""

    what: str = "loss"
    unit: str = "row"
    bounds: Bounds | None = None
    """Smallest and largest value that is possible."""
    segments: int = 1
    """How many detectors share the monitor's run length."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one stream between panes."""

    baseline: Baseline | None = None
    detector: Json | None = None
    collected: tuple[float, ...] = ()
    """Values for a baseline, while there are too few."""
    held: Json | None = None
    """The latest detection, with the instant at which the change began that it goes on with."""
    fed: int = 0
    """Values that the detector has seen."""
    panes: tuple[tuple[int, str], ...] = field(default=())
    """``fed`` before each of the latest panes, and the instant of its first value."""

    @classmethod
    def from_json(cls, state: Json) -> Memory:
        baseline = state.get("baseline")
        return cls(
            baseline=Baseline.from_json(baseline) if baseline else None,
            detector=state.get("detector"),
            collected=tuple(state.get("collected", ())),
            held=state.get("held"),
            fed=int(state.get("fed", 0)),
            panes=tuple((int(fed), str(at)) for fed, at in state.get("panes", ())),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "baseline": self.baseline.to_json() if self.baseline else None,
            "detector": self.detector,
            "collected": list(self.collected),
            "held": self.held,
            "fed": self.fed,
            "panes": [list(pane) for pane in self.panes],
        }


@dataclass(frozen=True, slots=True)
class Found:
    """Where a stream stands after a pane."""

    status: Status
    value: float | None
    threshold: float | None
    n: int
    reason: str

    @property
    def closeness(self) -> float:
        """Share of the threshold that has been reached."""
        return (self.value or 0.0) / self.threshold if self.threshold else 0.0


def begin(monitor: ChangeMonitor, stream: Stream, values: Floats) -> Memory:
    """Return the memory with the baseline of all ``values``; they are kept where there are too few."""
    baseline = make_baseline(monitor, values, bounds=stream.bounds, segments=stream.segments)
    if baseline is not None:
        return Memory(baseline)
    return Memory(collected=tuple(values[np.isfinite(values)][-monitor.min_rows :].tolist()))


def collect(monitor: ChangeMonitor, stream: Stream, memory: Memory, values: Floats) -> tuple[Memory, int]:
    """Return the memory with a baseline once there are enough values, and how many were taken for it.

    Values that are all equal give no baseline; of them the latest ``min_rows`` are kept.
    """
    if memory.baseline is not None:
        return memory, 0
    positions = np.flatnonzero(np.isfinite(values))
    have = len(memory.collected)
    pool = np.concatenate([memory.collected, values[positions]])
    end = max(rows_for_baseline(pool, monitor.min_rows), have)
    baseline = make_baseline(monitor, pool[:end], bounds=stream.bounds, segments=stream.segments)
    if baseline is None:
        return Memory(collected=tuple(pool[-monitor.min_rows :].tolist())), values.size
    return Memory(baseline), int(positions[end - have - 1]) + 1 if end > have else 0


def fold_stream(
    monitor: ChangeMonitor,
    stream: Stream,
    memory: Memory,
    values: Floats,
    event_at: Instants,
    as_of: datetime,
) -> tuple[Memory, Found]:
    """Return memory and standing after the values of one more pane, fed in order."""
    if memory.baseline is not None and not memory.baseline.fits(monitor, stream.segments):
        memory = Memory()
    memory, taken = collect(monitor, stream, memory, values)
    if memory.baseline is None:
        reason = _not_yet(monitor, stream, len(memory.collected))
        return memory, Found(Status.INCONCLUSIVE, None, None, 0, reason)
    return _detect(monitor, stream, memory, memory.baseline, values[taken:], event_at[taken:], as_of)


def _not_yet(monitor: ChangeMonitor, stream: Stream, have: int) -> str:
    if have < monitor.min_rows:
        return f"collecting a baseline: {have} of {monitor.min_rows} {stream.unit}s with a {stream.what}"
    return f"the latest {have} values are all equal, or at the end of what is possible: they are no baseline"


def _detect(
    monitor: ChangeMonitor,
    stream: Stream,
    memory: Memory,
    baseline: Baseline,
    values: Floats,
    event_at: Instants,
    as_of: datetime,
) -> tuple[Memory, Found]:
    """Feed the values; the latest detection is remembered with the pane that found it."""
    detector = baseline.detector_of(monitor, stream.segments, memory.detector)
    usable = np.flatnonzero(np.isfinite(values))
    if usable.size:
        first = (memory.fed, instant(event_at[int(usable[0])]).isoformat())
        memory = replace(memory, panes=(*memory.panes, first)[-PANES_KEPT:])
    found = detector.feed(values)
    for one in found:
        since = _since(memory, one, usable, event_at)
        memory = replace(memory, held=_held(monitor, stream, memory, one, since, as_of, detector.threshold))
    memory = replace(memory, detector=detector.to_json(), fed=memory.fed + usable.size)
    status, value, reason = _judge(monitor, memory, as_of)
    if status is None:
        level = float(values[usable].mean()) if usable.size else None
        status, reason = _quiet(stream, baseline, level, usable.size)
        value = detector.statistic
    return memory, Found(status, value, detector.threshold, usable.size, reason)


def _since(
    memory: Memory, detection: Detection, usable: npt.NDArray[np.intp], event_at: Instants
) -> datetime:
    """Instant of the first value of the change; of its pane when it lies in an earlier one."""
    position = int(np.searchsorted(usable, detection.index)) + 1 - detection.rows
    if position >= 0:
        return instant(event_at[int(usable[min(position, usable.size - 1)])])
    number = memory.fed + position
    earlier = [at for fed, at in memory.panes if fed <= number] or [memory.panes[0][1]]
    return datetime.fromisoformat(earlier[-1])


def _held(
    monitor: ChangeMonitor,
    stream: Stream,
    memory: Memory,
    found: Detection,
    since: datetime,
    as_of: datetime,
    threshold: float,
) -> dict[str, Any]:
    """What is remembered of a detection; one that follows another while that holds goes on with it."""
    assert memory.baseline is not None
    earlier = memory.held
    if earlier and earlier["rose"] == found.rose and _holds(monitor, earlier, as_of):
        since = datetime.fromisoformat(earlier["began"])
    rows = f"{found.rows} {stream.unit}{'' if found.rows == 1 else 's'}"
    reason = (
        f"{stream.what} {'rose' if found.rose else 'fell'} from {memory.baseline.mean:.4g}"
        f" to {found.mean:.4g} over {rows}, since {since:%Y-%m-%d %H:%M}:"
        f" statistic {found.statistic:.2f}, threshold {threshold:.2f}"
    )
    return {
        "since": as_of.isoformat(),
        "began": since.isoformat(),
        "rose": found.rose,
        "statistic": found.statistic,
        "reason": reason,
    }


def _holds(monitor: ChangeMonitor, held: Json, as_of: datetime) -> bool:
    since = datetime.fromisoformat(held["since"])
    return as_of == since or as_of - since < monitor.hold


def _judge(
    monitor: ChangeMonitor, memory: Memory, as_of: datetime
) -> tuple[Status | None, float | None, str]:
    """BREACHED while a detection holds; else None."""
    held = memory.held
    if held is not None and _holds(monitor, held, as_of):
        return Status.BREACHED, float(held["statistic"]), str(held["reason"])
    return None, None, ""


def _quiet(stream: Stream, baseline: Baseline, level: float | None, rows: int) -> tuple[Status, str]:
    if level is None:
        return Status.INCONCLUSIVE, f"no {stream.what} in this pane"
    rows_seen = f"{rows} {stream.unit}{'' if rows == 1 else 's'}"
    against = f"{level:.4g} on {rows_seen}, against a baseline of {baseline.mean:.4g}"
    return Status.OK, f"no change: {stream.what} {against}"


def instant(value: Any) -> datetime:
    """Return the instant as timezone-aware UTC; ``datetime64`` has no zone and means UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    moment: datetime = np.datetime64(value, "us").astype(datetime)
    return moment.replace(tzinfo=UTC)

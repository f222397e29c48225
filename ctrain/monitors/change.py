"""Change: has what a champion does moved since it was shown to rows it had not seen?

The baseline comes from such rows. Where none exists (a champion that was adopted), the first values
are collected inside the monitor's memory until there are ``min_rows`` of them, and the verdict is
INCONCLUSIVE until then. The memory belongs to one model version: a new champion begins anew.

By segment there is a detector for each of the most frequent values of a column and one for all
others; each has as many times the run length as there are detectors, so that the monitor as a whole
keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json, MonitorName, Status, Verdict, Version
from ctrain.monitors.first_few import first_few
from ctrain.monitors.stream import Found, Instants, Memory, Stream, begin, fold_stream
from ctrain.policy.monitors import ChangeMonitor

Floats = npt.NDArray[np.float64]

STATE_VERSION = 2
REST = ""
"""Key of all rows, or of those in no segment with a detector of its own."""
NAMED = 3
"""Segments that a reason names at most."""


@dataclass(frozen=True, slots=True)
class Values:
    """Values in event-time order with their instants, and the segment of each when asked by segment.

    Instants that are ``datetime64`` have no zone and mean UTC.
    """

    values: npt.ArrayLike
    event_at: Instants
    segments: Sequence[str] | None = None


def first_memory(
    monitor: ChangeMonitor, rows: Values, stream: Stream, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return what to remember of a champion at its beginning, from rows it was not trained on.

    Parameters
    ----------
    monitor
        the monitor of the policy.
    rows
        out-of-sample values. Segments with too few of them keep them until there are enough.
    stream
        what the values are.
    names
        the segments that have a detector of their own; None: the most frequent of ``rows``.

    Returns
    -------
    dict
        JSON, to be given to ``fold_values`` as ``memory``.

    Examples
    --------
    >>> monitor = ChangeMonitor(type="change", hold="1d", min_rows=100)
    >>> memory = first_memory(monitor, Values(np.tile([0.1, 0.3], 50), []), Stream())
    >>> round(memory["segments"][""]["baseline"]["mean"], 2)
    0.2

    References
    ----------
    ``make_baseline``.
    """
    if monitor.by is None:
        names = None
    elif names is None:
        names = most_frequent(rows.segments or (), monitor.max_segments)
    spread = replace(stream, segments=1 if names is None else len(names) + 1)
    kept = {segment: begin(monitor, spread, values).to_json() for segment, values, _ in _parts(rows, names)}
    return _memory(monitor, names, kept)


def fold_values(
    name: MonitorName,
    monitor: ChangeMonitor,
    memory: Json | None,
    rows: Values,
    as_of: datetime,
    model_version: Version | None,
    *,
    stream: Stream | None = None,
    names: Sequence[str] | None = None,
) -> tuple[dict[str, Any], Verdict]:
    """Return memory and verdict after the values of one more pane, fed in order.

    Parameters
    ----------
    name, monitor
        which monitor of the policy.
    memory
        what ``first_memory`` or the last call returned for this model version; None: the first
        ``min_rows`` values become the baseline, and the detector begins behind them. What was
        remembered for another detector, or for something else that was watched, is dropped.
    rows
        values of the pane; those that are not finite are skipped and counted.
    as_of
        end of the closed pane.
    model_version
        the version that the values belong to.
    stream
        what the values are; default: losses of rows.
    names
        segments with a detector of their own, while the memory has none; None: the most frequent of
        the first ``min_rows`` rows.

    Returns
    -------
    tuple of dict and Verdict
        The memory is JSON. BREACHED in the pane of a detection and until ``hold`` of event time has
        passed since; else INCONCLUSIVE without a baseline or without a value in this pane; else OK.
        The value is the statistic: the one that was detected while BREACHED, else the present one.
        By segment: BREACHED when one is, OK when none is and one can be judged; value and threshold
        are those of the segment that is nearest to its threshold.

    Examples
    --------
    >>> monitor = ChangeMonitor(type="change", hold="1d", run_length=1000, min_rows=100)
    >>> noon = datetime.fromisoformat("2026-05-01T12:00Z")
    >>> memory = first_memory(monitor, Values(np.tile([0.1, 0.3], 50), []), Stream())
    >>> _, verdict = fold_values(
    ...     MonitorName("error"), monitor, memory, Values([0.3] * 40, [noon] * 40), noon, Version("3")
    ... )
    >>> verdict.status.value, verdict.reason[:25]
    ('BREACHED', 'loss rose from 0.2 to 0.3')

    References
    ----------
    ``ctrain.stats.detectors``.
    """
    stream = stream or Stream()
    verdict = Verdict(name, as_of, Status.INCONCLUSIVE, None, None, 0, "", model_version=model_version)
    known = _known(monitor, memory)
    if known is None or "pool" in known:
        known = _with_names(monitor, known, rows, names)
        if "pool" in known:
            return known, replace(verdict, reason=_collecting(monitor, stream, known))
    kept, found = _folded(monitor, stream, known, rows, as_of)
    status, worst, reason = _summary(monitor, found)
    n = sum(one.n for one in found.values())
    verdict = replace(
        verdict, status=status, value=worst.value, threshold=worst.threshold, n=n, reason=reason
    )
    return _memory(monitor, known["names"], kept), verdict


def _folded(
    monitor: ChangeMonitor, stream: Stream, known: Json, rows: Values, as_of: datetime
) -> tuple[dict[str, Any], dict[str, Found]]:
    """Memories of all segments after the pane, and what it showed of those that are in it."""
    names, kept = known["names"], dict(known["segments"])
    spread = replace(stream, segments=1 if names is None else len(names) + 1)
    found: dict[str, Found] = {}
    for segment, values, event_at in _parts(rows, names):
        before = Memory.from_json(kept.get(segment, {}))
        after, found[segment] = fold_stream(monitor, spread, before, values, event_at, as_of)
        kept[segment] = after.to_json()
    return kept, found


def _collecting(monitor: ChangeMonitor, stream: Stream, known: Json) -> str:
    have = len(known["pool"]["values"])
    return f"collecting a baseline: {have} of {monitor.min_rows} {stream.unit}s with a {stream.what}"


def _memory(monitor: ChangeMonitor, names: Sequence[str] | None, kept: dict[str, Any]) -> dict[str, Any]:
    watched = monitor.model_dump(mode="json", include={"on", "by"})
    return {
        "version": STATE_VERSION,
        "watched": watched,
        "names": None if names is None else list(names),
        "segments": kept,
    }


def _known(monitor: ChangeMonitor, memory: Json | None) -> dict[str, Any] | None:
    """The memory when it is of what the monitor watches now."""
    if memory is None or memory.get("version") != STATE_VERSION:
        return None
    fits = memory["watched"] == monitor.model_dump(mode="json", include={"on", "by"})
    unknown = monitor.by is not None and not memory["names"] and "pool" not in memory
    return dict(memory) if fits and not unknown else None


def _with_names(
    monitor: ChangeMonitor, known: dict[str, Any] | None, rows: Values, names: Sequence[str] | None
) -> dict[str, Any]:
    """A memory that knows its segments, or with ``pool``: the first rows, until they tell which.

    The pooled values are of a baseline, so they wait with their segments; ``rows`` are not among
    them once the segments are known.
    """
    if monitor.by is None or names is not None:
        return _memory(monitor, names if monitor.by is not None else None, {})
    pool = known["pool"] if known else {"values": [], "segments": []}
    values = np.asarray(rows.values, dtype=np.float64)
    labels = np.asarray(rows.segments if rows.segments is not None else [], dtype=object)
    usable = np.isfinite(values)
    seen = [*pool["segments"], *labels[usable].tolist()]
    if len(seen) < monitor.min_rows:
        return _memory(monitor, None, {}) | {
            "pool": {"values": [*pool["values"], *values[usable].tolist()], "segments": seen}
        }
    names = most_frequent(seen, monitor.max_segments)
    pooled = Values(pool["values"], [], pool["segments"])
    kept = {
        segment: Memory(collected=tuple(earlier.tolist())).to_json()
        for segment, earlier, _ in _parts(pooled, names)
    }
    return _memory(monitor, names, kept)


def most_frequent(segments: Sequence[str], most: int) -> list[str]:
    """Return the ``most`` most frequent segments; equally frequent ones in alphabetical order.

    >>> most_frequent(["b", "a", "c", "c"], 2)
    ['c', 'a']
    """
    counts = Counter(segments)
    return sorted(counts, key=lambda one: (-counts[one], one))[:most]


def _parts(rows: Values, names: Sequence[str] | None) -> Iterator[tuple[str, Floats, Instants]]:
    """Values and instants of each segment."""
    values = np.asarray(rows.values, dtype=np.float64)
    if names is None:
        yield REST, values, rows.event_at
        return
    labels = np.asarray(rows.segments if rows.segments is not None else [], dtype=object)
    rest = np.ones(values.size, dtype=np.bool_)
    for name in names:
        inside = np.flatnonzero(labels == name)
        rest[inside] = False
        yield name, values[inside], _taken(rows.event_at, inside)
    left = np.flatnonzero(rest)
    yield REST, values[left], _taken(rows.event_at, left)


def _taken(event_at: Instants, positions: npt.NDArray[np.intp]) -> Instants:
    if isinstance(event_at, np.ndarray):
        return event_at[positions]
    return [event_at[position] for position in positions] if event_at else []


def _summary(monitor: ChangeMonitor, found: dict[str, Found]) -> tuple[Status, Found, str]:
    """Status, the segment nearest to its threshold, and the reason."""
    seen = {one.status for one in found.values()}
    status = next(one for one in (Status.BREACHED, Status.OK, Status.INCONCLUSIVE) if one in seen)
    those = {segment: one for segment, one in found.items() if one.status is status}
    ranked = sorted(those.items(), key=lambda item: -item[1].closeness)
    worst = ranked[0][1]
    if monitor.by is None:
        return status, worst, worst.reason
    each = [f"[{monitor.by}={segment or 'other'}] {one.reason}" for segment, one in ranked]
    told = first_few(each, NAMED, "more segments")
    unknown = sum(one.status is Status.INCONCLUSIVE for one in found.values())
    if status is not Status.INCONCLUSIVE and unknown:
        told.append(f"{unknown} of {len(found)} segments cannot be judged")
    return status, worst, "; ".join(told)

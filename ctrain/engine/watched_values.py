"""What change monitors watch: losses, scores, values of a feature, a metric of each pane.

The same values make the baseline, from the held-out rows of a challenger, and then feed the detector
pane by pane. Losses and metrics wait for labels; scores and features are judged with their pane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json, MonitorName, Task, TriggerName
from ctrain.monitors.change import REST, Values, first_memory
from ctrain.monitors.stream import Stream
from ctrain.policy.monitors import ChangeMonitor, OnFeature, OnMetric
from ctrain.policy.triggers import Regret
from ctrain.stats.columns import numeric_values, text_values
from ctrain.stats.losses import LOG_LOSS_CAP, row_losses
from ctrain.stats.metrics import evaluate
from ctrain.stats.segments import NULL, frequent_values
from ctrain.triggers.regret import RegretMemory, memory_name, pane_losses

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.policy.models import Policy

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]
Positions = npt.NDArray[np.intp]

UNIT = (0.0, 1.0)
_BOUNDS = {
    **dict.fromkeys(("brier", "zero_one", "accuracy", "f1", "roc_auc"), UNIT),
    "log_loss": (0.0, LOG_LOSS_CAP),
}
"""Of losses and metrics that have any on both sides."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in event-time order with what is known of them; NaN where nothing is."""

    table: pa.Table
    labels: Floats
    scores: Floats

    @property
    def event_at(self) -> Instants:
        instants: Instants = self.table["event_at"].to_numpy().astype("datetime64[us]")
        return instants

    def part(self, part: slice) -> Rows:
        """The rows of a slice."""
        length = part.stop - part.start
        return Rows(self.table.slice(part.start, length), self.labels[part], self.scores[part])


def needs_labels(monitor: ChangeMonitor) -> bool:
    """True when a row can be judged only once its label has matured."""
    return monitor.on == "loss" or isinstance(monitor.on, OnMetric)


def stream_of(policy: Policy, monitor: ChangeMonitor) -> Stream:
    """What the values are called, and between which bounds they lie by nature."""
    on, task = monitor.on, policy.model.task
    if isinstance(on, OnFeature):
        return Stream(on.feature)
    if isinstance(on, OnMetric):
        return Stream(on.metric, "pane", _BOUNDS.get(on.metric))
    if on == "prediction":
        return Stream("prediction", bounds=None if task is Task.REGRESSION else UNIT)
    return Stream("loss", bounds=_BOUNDS.get(policy.model.metric))


def watched_values(
    policy: Policy, monitor: ChangeMonitor, rows: Rows, names: Sequence[str] | None = None
) -> Values:
    """The values of ``rows`` that the monitor watches, with their instants and segments.

    Of several classes the prediction is the greatest probability. A metric has one value for each
    pane with rows, by segment one for each segment of ``names`` and one for the rest.
    """
    on, segments = monitor.on, _segments(monitor, rows)
    if isinstance(on, OnFeature):
        return Values(numeric_values(rows.table, on.feature), rows.event_at, segments)
    if on == "prediction":
        scores = rows.scores if rows.scores.ndim == 1 else rows.scores.max(axis=1, initial=0.0)
        return Values(scores, rows.event_at, segments)
    labelled = _labelled(rows)
    if isinstance(on, OnMetric):
        return _by_pane(policy, on.metric, rows, labelled, segments, names or ())
    event_at, losses = losses_of(policy, rows)
    return Values(losses, event_at, _taken(segments, labelled))


def losses_of(policy: Policy, rows: Rows) -> tuple[Instants, Floats]:
    """Instants and losses of the rows that have a label."""
    labelled, model = _labelled(rows), policy.model
    losses = row_losses(model.task, model.metric, rows.labels[labelled], rows.scores[labelled])
    return rows.event_at[labelled], losses


def _labelled(rows: Rows) -> Positions:
    return np.flatnonzero(np.isfinite(rows.labels))


def _segments(monitor: ChangeMonitor, rows: Rows) -> list[str] | None:
    import pyarrow.compute as pc

    if monitor.by is None:
        return None
    found: Any = text_values(rows.table, monitor.by)
    labels: list[str] = pc.fill_null(found, NULL).to_pylist()
    return labels


def _taken(segments: Sequence[str] | None, positions: Positions) -> list[str] | None:
    return None if segments is None else [segments[position] for position in positions]


def _by_pane(
    policy: Policy,
    metric: str,
    rows: Rows,
    labelled: Positions,
    segments: Sequence[str] | None,
    names: Sequence[str],
) -> Values:
    """The metric of each pane's labelled rows, of each segment by itself when there are segments."""
    values, instants, labels = [], [], []
    for pane in _panes(rows.event_at[labelled], policy):
        inside = labelled[pane]
        for segment, members in _members(inside, segments, names):
            found = evaluate(policy.model.task, rows.labels[members], rows.scores[members])
            values.append(found.get(metric, np.nan))
            instants.append(rows.event_at[inside[0]])
            labels.append(segment)
    event_at = np.array(instants, dtype="datetime64[us]")
    return Values(np.array(values, dtype=np.float64), event_at, None if segments is None else labels)


def _panes(event_at: Instants, policy: Policy) -> Iterator[slice]:
    """Where the rows of each pane lie."""
    length = int(policy.data.pane.total_seconds() * 1e6)
    numbers = event_at.astype(np.int64) // length
    borders = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), numbers.size]
    yield from (slice(first, last) for first, last in pairwise(borders) if first < last)


def _members(
    inside: Positions, segments: Sequence[str] | None, names: Sequence[str]
) -> Iterator[tuple[str, Positions]]:
    if segments is None:
        yield REST, inside
        return
    by_segment: dict[str, list[int]] = {}
    for position in inside.tolist():
        segment = segments[position] if segments[position] in names else REST
        by_segment.setdefault(segment, []).append(position)
    for segment, positions in by_segment.items():
        yield segment, np.array(positions, dtype=np.intp)


def first_memories(policy: Policy, rows: Rows) -> dict[MonitorName, Json]:
    """What is remembered of a model at its beginning, from rows it was not trained on.

    By every change monitor, whose segments with a detector of their own are the most frequent of these
    rows, and by every trigger on regret.
    """
    memories: dict[MonitorName, Json] = {}
    for name, monitor in policy.monitors.items():
        if isinstance(monitor, ChangeMonitor):
            names = monitor.by and frequent_values(rows.table, monitor.by, monitor.max_segments)
            values = watched_values(policy, monitor, rows, names or None)
            memory = first_memory(monitor, values, stream_of(policy, monitor), names or None)
            memories[MonitorName(name)] = {"state": memory}
    for name, trigger in policy.triggers.items():
        if isinstance(trigger, Regret):
            panes = pane_losses(*losses_of(policy, rows), policy.data.pane)
            begun = RegretMemory(policy.model.metric).fresh_from(trigger.regret, panes, policy.data.pane)
            memories[memory_name(TriggerName(name))] = begun.to_json()
    return memories

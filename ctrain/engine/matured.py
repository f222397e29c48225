"""Rows whose labels can be trusted: read up to the instant at which their labels have matured."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ctrain.domain import IngestState
from ctrain.engine.instants import floor_to
from ctrain.policy.models import LastWindow
from ctrain.policy.monitors import (
    DriftMonitor,
    EstimatedPerformanceMonitor,
    PerformanceMonitor,
    VolumeMonitor,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy

MIN_TRAINING_ROWS = 50
MIN_HOLDOUT_ROWS = 20


Windowed = DriftMonitor | EstimatedPerformanceMonitor | PerformanceMonitor | VolumeMonitor


def longest(policy: Policy, kind: type[Windowed]) -> timedelta:
    """The longest window of the monitors of one kind; zero when there are none."""
    windows = [one.window for one in policy.monitors.values() if isinstance(one, kind)]
    return max(windows, default=timedelta(0))


def matured_until(state: IngestState, policy: Policy) -> datetime | None:
    """Rows before this instant (a pane's start) have had time to get their label; None: no rows yet."""
    if state.watermark is None:
        return None
    return floor_to(state.watermark - policy.data.labels.matures_after, policy.data.pane)


def training_end(policy: Policy, matured: datetime) -> datetime:
    """Where the training window ends when labels have matured up to ``matured``: ``lag`` before that.

    The shadow begins there, with rows that have matured already.
    """
    window = policy.train.window
    lag = window.lag if isinstance(window, LastWindow) else None
    return floor_to(matured - lag, policy.data.pane) if lag else matured


def labelled_rows_needed(policy: Policy) -> int:
    """With fewer labelled rows, training or holdout would be too small to say anything."""
    return rows_for_holdout(policy.train.min_rows, policy.train.holdout)


def rows_for_holdout(min_rows: int, holdout: float) -> int:
    """So many rows make a training and its holdout large enough.

    >>> rows_for_holdout(100, 0.2), rows_for_holdout(100, 0.05)
    (125, 400)
    """
    training_rows = max(min_rows, MIN_TRAINING_ROWS)
    return math.ceil(max(training_rows / (1 - holdout), MIN_HOLDOUT_ROWS / holdout))


def with_absent_labels(policy: Policy, table: pa.Table) -> pa.Table:
    """The matured rows with absent labels as the policy reads them: missing, or 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if policy.data.labels.absent_means == "missing":
        return table
    position = table.schema.get_field_index("label")
    zero = pa.scalar("0") if pa.types.is_string(table["label"].type) else pa.scalar(0.0)
    filled: Any = pc.coalesce(table["label"], zero)
    return table.set_column(position, "label", filled)


def labelled_rows(watch: Watch, start: datetime, end: datetime) -> pa.Table:
    """Rows of ``[start, end)`` that have a label, late ones included; ``end`` must have matured."""
    import pyarrow.compute as pc

    table = with_absent_labels(watch.policy, watch.row_log.read(start, end))
    return table.filter(pc.is_valid(table["label"]))


def count_labelled(watch: Watch, start: datetime, end: datetime) -> int:
    """How many matured rows of ``[start, end)`` have a label, as ``labelled_rows`` returns them."""
    if start >= end:
        return 0
    found = watch.row_log.count(start, end)
    return found.labelled if watch.policy.data.labels.absent_means == "missing" else found.rows

"""What the monitors of quality and volume look at besides profiles: how rows arrived, and their segments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ctrain.domain import Json, MonitorName
from ctrain.engine.arrivals import PaneArrivals
from ctrain.engine.instants import pane_ends
from ctrain.engine.seen_values import load_seen
from ctrain.engine.segment_arrivals import asks_of_arrival
from ctrain.engine.segment_counts import PaneSegments, Segments, frequent_values
from ctrain.policy.monitors import Between, FreshnessMonitor, QualityMonitor, VolumeMonitor
from ctrain.stats.grid import CategoricalGrid, NumericGrid

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import DataSpec, Policy
    from ctrain.stats.reference import Reference


def quality_reach(policy: Policy) -> timedelta:
    """The longest window of quality that asks for a reference; zero when none does."""
    return max(
        (one.window for one in _quality(policy) if needs_reference(one, policy.data)), default=timedelta()
    )


def longest_of_rows(policy: Policy) -> timedelta:
    """The longest window of quality: so long it has to be known how rows arrived, and what they hold."""
    return max((one.window for one in _quality(policy)), default=timedelta(0))


def needs_reference(monitor: QualityMonitor, data: DataSpec) -> bool:
    """True when a check goes by what the champion was trained on."""
    return (
        monitor.unseen_categories is not None
        or monitor.constant == "breach"
        or ranges_of_reference(monitor, data)
    )


def ranges_of_reference(monitor: QualityMonitor, data: DataSpec) -> bool:
    """True when the range of a numeric feature is the reference's."""
    numeric = [one for one in monitor.columns or data.features.numeric if one in data.features.numeric]
    return monitor.max_out_of_range is not None and any(one not in monitor.ranges for one in numeric)


def load_counts(watch: Watch, reference: Reference | None, first_end: datetime, last_end: datetime) -> None:
    """Have the counts at hand that reach every window of quality and volume."""
    policy = watch.policy
    reach = longest_of_rows(policy)
    by = {
        MonitorName(key): one
        for key, one in policy.monitors.items()
        if isinstance(one, QualityMonitor | VolumeMonitor) and one.by is not None
    }
    if not reach and not by:
        return
    with watch.store.read() as tx:
        if reach:
            _arrivals(watch).load(tx, watch.name, first_end - reach, last_end)
        watch.seen = load_seen(tx, watch.name, policy)
    ends = pane_ends(policy.data.pane, first_end, last_end)
    for name, monitor in by.items():
        values = {one for end in ends for one in segments_at(watch, monitor, reference, end)}
        wanted = _segments(policy.data, monitor, reference, tuple(sorted(values)))
        known = watch.segment_counts.get(name)
        if known is None or not known.covers(wanted, policy.data.pane):
            known = watch.segment_counts[name] = PaneSegments(wanted, policy.data.pane)
        known.load(watch.row_log, partial(_arrived, watch), first_end - monitor.window, last_end)


def _arrived(watch: Watch, start: datetime, end: datetime) -> dict[datetime, Json]:
    with watch.store.read() as tx:
        return tx.arrivals(watch.name, start, end)


def segments_at(
    watch: Watch, monitor: QualityMonitor | VolumeMonitor, reference: Reference | None, as_of: datetime
) -> tuple[str, ...]:
    """The values that are segments of the window that ends at ``as_of``.

    Those of volume were there before the window: a new one had no time to have rows in all of it.
    """
    by, most = monitor.by, monitor.max_segments
    assert by is not None
    seen = watch.seen[by]
    if isinstance(monitor, VolumeMonitor):
        return seen.most_frequent(most, as_of - monitor.window)
    return frequent_values(reference, by, most, seen.most_frequent(most, as_of))


def newest_rows(watch: Watch, monitor: FreshnessMonitor) -> dict[str, datetime] | None:
    """Return when the newest row of each segment of the monitor happened; None without segments."""
    if monitor.by is None:
        return None
    with watch.store.read() as tx:
        seen = load_seen(tx, watch.name, watch.policy)
    return seen[monitor.by].newest_rows(monitor.max_segments)


def _arrivals(watch: Watch) -> PaneArrivals:
    pane = watch.policy.data.pane
    if watch.arrivals is None or watch.arrivals.pane != pane:
        watch.arrivals = PaneArrivals(pane)
    return watch.arrivals


def _quality(policy: Policy) -> Iterator[QualityMonitor]:
    return (one for one in policy.monitors.values() if isinstance(one, QualityMonitor))


def _segments(
    data: DataSpec,
    monitor: QualityMonitor | VolumeMonitor,
    reference: Reference | None,
    values: tuple[str, ...],
) -> Segments:
    by = monitor.by
    assert by is not None
    if isinstance(monitor, VolumeMonitor):
        return Segments(by, values)
    return Segments(
        by=by,
        values=values,
        features=tuple(monitor.columns or data.features.names),
        ranges=allowed_ranges(data, monitor, reference),
        categories=known_categories(data, monitor, reference),
        spreads=_spreads(data, monitor, reference),
        with_arrivals=asks_of_arrival(monitor),
    )


def _spreads(
    data: DataSpec, monitor: QualityMonitor, reference: Reference | None
) -> dict[str, tuple[str, ...] | None]:
    """The features whose spread is looked at, with the categories of those that are texts."""
    if monitor.constant != "breach" or reference is None:
        return {}
    known = reference.grid.columns.keys() - reference.left_out.keys() - {monitor.by}
    wanted = [name for name in monitor.columns or data.features.names if name in known]
    grids = {name: reference.grid.columns[name] for name in wanted}
    return {
        name: grid.categories if isinstance(grid, CategoricalGrid) and not grid.boolean else None
        for name, grid in grids.items()
    }


def allowed_ranges(
    data: DataSpec, monitor: QualityMonitor, reference: Reference | None
) -> dict[str, Between]:
    """The range of each numeric feature that has one: the policy's, else the reference's."""
    if monitor.max_out_of_range is None:
        return {}
    found = {}
    for name in monitor.columns or data.features.numeric:
        grid = None if reference is None or name in reference.left_out else reference.grid.columns.get(name)
        if name in monitor.ranges:
            found[name] = monitor.ranges[name]
        elif name in data.features.numeric and isinstance(grid, NumericGrid) and len(grid.points):
            found[name] = Between(min=float(grid.points[0]), max=float(grid.points[-1]))
    return found


def known_categories(
    data: DataSpec, monitor: QualityMonitor, reference: Reference | None
) -> dict[str, CategoricalGrid]:
    """The categories of each feature whose reference knows all it had."""
    if monitor.unseen_categories is None or reference is None:
        return {}
    found = {}
    for name in monitor.columns or data.features.categorical:
        grid = reference.grid.columns.get(name)
        known = isinstance(grid, CategoricalGrid) and grid.complete and name not in reference.left_out
        if known and isinstance(grid, CategoricalGrid) and name in data.features.categorical:
            found[name] = grid
    return found

"""Quality: how the rows of the window arrived, and what the champion's reference says of their values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.arrivals import range_name
from ctrain.engine.panes import pane_tree
from ctrain.engine.quality_sight import (
    allowed_ranges,
    known_categories,
    needs_reference,
    ranges_of_reference,
    segments_at,
)
from ctrain.engine.segment_counts import DUPLICATES, ROWS, UNCOUNTED, Segments
from ctrain.engine.sight import Sight
from ctrain.monitors.quality import ColumnCounts, QualityWindow, assess_quality
from ctrain.policy.models import FromChampion
from ctrain.policy.monitors import Between, QualityMonitor
from ctrain.stats.grid import CategoricalGrid, NumericGrid

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import DataSpec, Policy
    from ctrain.stats.column_profile import ColumnProfile
    from ctrain.stats.grid import ColumnGrid
    from ctrain.stats.profile import Profile
    from ctrain.stats.reference import Reference


def quality_verdict(
    watch: Watch, sight: Sight, name: MonitorName, monitor: QualityMonitor, as_of: datetime
) -> Verdict:
    data, start = watch.policy.data, as_of - monitor.window
    counts = watch.arrivals.window(start, as_of) if watch.arrivals is not None else {}
    profile = None
    if sight.reference is not None and needs_reference(monitor, data):
        profile = pane_tree(watch).merged(sight.reference.grid.name, start, as_of)
    whole = QualityWindow(
        rows=counts.get("rows", 0),
        columns=_columns(data, monitor, counts, sight.reference, profile),
        duplicates=counts.get("duplicates", 0),
        new_columns=counts.get("new_columns", ()),
    )
    segments, unknown = _by_segment(watch, sight, name, monitor, as_of)
    return assess_quality(
        name,
        monitor,
        whole,
        segments,
        as_of,
        unknown=_unknown(sight, watch.policy, monitor) | unknown,
        model_version=sight.champion.version if sight.champion else None,
    )


def _unknown(sight: Sight, policy: Policy, monitor: QualityMonitor) -> dict[str, str]:
    """Checks that go by a reference when there is none, and why there is none."""
    if sight.reference is not None:
        return {}
    asked = {
        "unseen_categories": monitor.unseen_categories is not None,
        "max_out_of_range": ranges_of_reference(monitor, policy.data),
        "constant": monitor.constant == "breach",
    }
    no_champion = sight.champion is None and isinstance(policy.reference, FromChampion)
    why = sight.unreadable or ("there is no champion yet" if no_champion else "there is no reference yet")
    return {check: why for check, wanted in asked.items() if wanted}


def _columns(
    data: DataSpec,
    monitor: QualityMonitor,
    counts: Mapping[str, Any],
    reference: Reference | None,
    profile: Profile | None,
) -> dict[str, ColumnCounts]:
    ranges = allowed_ranges(data, monitor, reference)
    categories = known_categories(data, monitor, reference)
    wanted = monitor.columns or data.features.names
    kinds = {name: kind for kind, names in data.features.by_kind.items() for name in names if name in wanted}
    return {
        name: ColumnCounts(
            kind=kind,
            nulls=counts.get("nulls", {}).get(name, 0),
            wrong=counts.get("wrong", {}).get(name, 0),
            absent=counts.get("absent", {}).get(name, 0),
            outside=_outside(monitor, name, counts, ranges, reference, profile),
            allowed=in_words(ranges[name], name in monitor.ranges) if name in ranges else "",
            unseen=profile.columns[name].unseen if profile is not None and name in categories else None,
            single=_is_single(name, reference, profile) if monitor.constant == "breach" else None,
        )
        for name, kind in kinds.items()
    }


def _outside(
    monitor: QualityMonitor,
    name: str,
    counts: Mapping[str, Any],
    ranges: Mapping[str, Between],
    reference: Reference | None,
    profile: Profile | None,
) -> int | None:
    """Values outside of a range: counted on arrival for the policy's, by cells for the reference's."""
    if name not in ranges:
        return None
    if name in monitor.ranges:
        return int(counts.get("outside", {}).get(name, {}).get(range_name(ranges[name]), 0))
    grid = reference.grid.columns[name] if reference is not None else None
    if profile is None or not isinstance(grid, NumericGrid):
        return None
    inside = grid.locate(grid.points[[0, -1]])
    cells = profile.columns[name].distribution(grid)
    return int(cells.sum() - cells[inside[0] : inside[1] + 1].sum())


def _is_single(name: str, reference: Reference | None, profile: Profile | None) -> bool | None:
    """Whether one value is all there is where the reference had several; None when that is not known."""
    if reference is None or profile is None or name in reference.left_out:
        return None
    grid = reference.grid.columns.get(name)
    if grid is None or _one_value(reference.profile.columns[name], grid) is not False:
        return None
    return _one_value(profile.columns[name], grid)


def _one_value(column: ColumnProfile, grid: ColumnGrid) -> bool | None:
    if column.values == 0:
        return None
    if isinstance(grid, CategoricalGrid):
        rest = bool(len(column.cells)) and int(column.cells[-1]) == len(grid.categories)
        return len(column.cells) == 1 and not rest
    return column.infinities == 0 and column.minimum == column.maximum


def _by_segment(
    watch: Watch, sight: Sight, name: MonitorName, monitor: QualityMonitor, as_of: datetime
) -> tuple[list[QualityWindow], dict[str, str]]:
    """The window of each segment, and what cannot be known of them."""
    if monitor.by is None:
        return [], {}
    panes, start = watch.segment_counts[name], as_of - monitor.window
    chosen = segments_at(watch, monitor, sight.reference, as_of)
    counted, spreads = panes.window(start, as_of, chosen), panes.spreads(start, as_of, chosen)
    own = _references(monitor.by, sight.reference)
    windows = [
        QualityWindow(
            rows=amounts[ROWS],
            columns=_segment_columns(
                watch.policy.data,
                monitor,
                panes.segments,
                amounts,
                _singles(panes.segments, spreads[value], own.get(value)),
            ),
            segment=f"{monitor.by}={value}",
            duplicates=amounts.get(DUPLICATES, 0),
        )
        for value, amounts in counted.items()
    ]
    unknown = {}
    uncounted = sum(amounts.get(UNCOUNTED, 0) for amounts in counted.values())
    if uncounted:
        unknown[f"how rows arrived by {monitor.by}"] = f"{uncounted} rows came before it was counted"
    strangers = [value for value in chosen if value not in own] if panes.segments.spreads else []
    if strangers:
        unknown[f"constant by {monitor.by}"] = f"the reference does not tell {', '.join(strangers)} apart"
    return windows, unknown


def _references(by: str, reference: Reference | None) -> dict[str, Reference]:
    """What the reference says of each segment, by the name of the segment."""
    segments = () if reference is None else reference.segments.get(by, ())
    return {one.segment.removeprefix(f"{by}="): one for one in segments}


def _singles(
    segments: Segments, spreads: Mapping[str, tuple[float, float]], reference: Reference | None
) -> dict[str, bool]:
    """Whether one value is all there is, of each feature that had several in the segment's reference."""
    found = {}
    for name, categories in segments.spreads.items():
        grid = None if reference is None else reference.grid.columns.get(name)
        lowest, highest = spreads.get(name, (np.nan, np.nan))
        if reference is None or grid is None or np.isnan(lowest):
            continue
        if _one_value(reference.profile.columns[name], grid) is False:
            unseen = categories is not None and highest == len(categories)
            found[name] = bool(lowest == highest and np.isfinite(lowest) and not unseen)
    return found


def _segment_columns(
    data: DataSpec,
    monitor: QualityMonitor,
    segments: Segments,
    amounts: Mapping[tuple[str, str], int],
    singles: Mapping[str, bool],
) -> dict[str, ColumnCounts]:
    kinds = {name: kind for kind, names in data.features.by_kind.items() for name in names}
    allowed = {name: in_words(one, name in monitor.ranges) for name, one in segments.ranges.items()}
    return {
        name: ColumnCounts(
            kind=kinds[name],
            nulls=amounts.get(("nulls", name), 0),
            wrong=amounts.get(("wrong", name), 0),
            absent=amounts.get(("absent", name), 0),
            outside=amounts.get(("outside", name), 0) if name in allowed else None,
            allowed=allowed.get(name, ""),
            unseen=amounts.get(("unseen", name), 0) if name in segments.categories else None,
            single=singles.get(name),
        )
        for name in segments.features
        if name != monitor.by
    }


def in_words(between: Between, declared: bool) -> str:
    """Where values lie that are outside of a range."""
    if between.min is None:
        text = f"above {between.max:g}"
    elif between.max is None:
        text = f"below {between.min:g}"
    else:
        text = f"outside {between.min:g} to {between.max:g}"
    return text if declared else f"{text}, the reference's range"

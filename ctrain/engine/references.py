"""References: what the inputs looked like when the champion was trained, keyed by its version.

The reference of a version that ctrain trained is its training window. A champion from elsewhere has
no recorded window: its reference is made from the first rows that were seen, and says so. Sliding
and seasonal references compare panes with panes; of these they take the grid, the segments and the
columns that are left out. A reference is saved whole in one transaction, and none is ever changed:
which one is in force follows the champion alias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Champion, Run, Version
from ctrain.engine.instants import EPOCH, MICROSECOND, ceil_to, floor_to
from ctrain.engine.moves import found_in
from ctrain.engine.panes import first_row_at
from ctrain.engine.reference_times import longest_window
from ctrain.engine.version_tags import tagged_importance, training_window
from ctrain.policy.monitors import DriftMonitor, QualityMonitor
from ctrain.stats.free_text import TextStatistic
from ctrain.stats.grid import ColumnGrid, NumericGrid
from ctrain.stats.profile import event_microseconds
from ctrain.stats.reference import PREDICTION, Reference, build_reference

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Features, Policy
    from ctrain.ports import Transaction

FIRST_WINDOWS = 4
"""A reference without a training window spans this many drift windows: enough to see its own variability."""
NO_CHAMPION = Version("none")
"""Under which the reference of the rows first seen is kept while there is no champion."""
FEWEST_ROWS = 500
"""Of a reference from which segments are taken when no monitor says how many rows it needs."""


def segments_wanted(policy: Policy) -> dict[str, int]:
    """Columns by whose values the reference is looked at, and at most how many values.

    What drift monitors say of a column holds; they look at all segments that there are.
    """
    monitors = policy.monitors.values()
    of_drift = {one.by: one.max_segments for one in monitors if isinstance(one, DriftMonitor) and one.by}
    of_quality = {
        one.by: one.max_segments
        for one in monitors
        if isinstance(one, QualityMonitor) and one.by and one.constant == "breach"
    }
    return of_quality | of_drift


def save_reference_of_run(
    watch: Watch, run: Run, predictions: pa.Table | None = None
) -> Callable[[Transaction], None]:
    """What to do in the transaction that ends the gates: save the reference of the training window.

    ``predictions`` (event_at, prediction) are those of the challenger on rows it was not trained on. A
    policy without monitors compares nothing; where one is added, the reference is made then.
    """
    version = run.challenger_version
    assert version is not None
    if not watch.policy.monitors:
        return lambda _tx: None
    found = found_in(run, "training")
    start = datetime.fromisoformat(found["window_start"])
    rows = watch.row_log.read(start, datetime.fromisoformat(found["cut_off"]))
    reference = build(watch, rows, predictions, found.get("importance"))

    def save(tx: Transaction) -> None:
        tx.save_reference(watch.name, version, reference.grid.name, reference.to_bytes())

    return save


def build(
    watch: Watch,
    rows: pa.Table,
    predictions: pa.Table | None = None,
    importance: Mapping[str, float] | None = None,
) -> Reference:
    """The reference that these rows make, for the features and segments of the policy."""
    data = watch.policy.data
    return build_reference(
        rows,
        data.features.numeric,
        data.features.categorical,
        data.pane,
        boolean=data.features.boolean,
        date=data.features.date,
        text=data.features.text,
        segments=segments_wanted(watch.policy),
        prediction=predictions,
        importance=importance or None,
    )


def load_reference(watch: Watch, champion: Champion | None) -> Reference | None:
    """The reference in force with this champion; None until enough rows have been seen.

    Without a champion it is that of the rows first seen.
    """
    version = champion.version if champion else NO_CHAMPION
    kept = watch.references.get(version)
    if kept is not None and fits(watch, kept):
        return kept
    with watch.store.read() as tx:
        stored = tx.reference(watch.name, version)
        watermark = tx.ingest_state(watch.name).watermark
    reference = decoded(stored[1]) if stored is not None else None
    if reference is None or not fits(watch, reference):
        reference = _made_now(watch, champion, watermark) if watermark is not None else None
    if reference is not None:
        watch.references.clear()
        watch.references[version] = reference
    return reference


def decoded(content: bytes) -> Reference | None:
    """The reference; None of one that another version of ctrain wrote, which is made again."""
    try:
        return Reference.from_bytes(content)
    except ValueError:
        return None


def fits(watch: Watch, reference: Reference) -> bool:
    """False when features, segments or the pane of the policy have changed since it was made."""
    wanted = segments_wanted(watch.policy)
    kinds = {name: kind_of(grid) for name, grid in reference.grid.columns.items() if name != PREDICTION}
    return (
        reference.pane == watch.policy.data.pane
        and wanted.keys() <= reference.segments.keys()
        and kinds == kinds_wanted(watch.policy.data.features)
    )


def kind_of(grid: ColumnGrid) -> str:
    """How a column is counted."""
    if isinstance(grid, NumericGrid):
        return str(grid.reading)
    return "boolean" if grid.boolean else "category"


def kinds_wanted(features: Features) -> dict[str, str]:
    """The columns of a reference, and how each is counted."""
    return {
        **dict.fromkeys(features.numeric, "number"),
        **dict.fromkeys(features.categorical, "category"),
        **dict.fromkeys(features.boolean, "boolean"),
        **dict.fromkeys(features.date, "date"),
        **{f"{name}.{one}": str(one) for name in features.text for one in TextStatistic},
    }


def _made_now(watch: Watch, champion: Champion | None, watermark: datetime) -> Reference | None:
    """From the recorded training window if its rows are kept, else from the first rows."""
    tags = _tags(watch, champion)
    window = training_window(tags)
    version = champion.version if champion else NO_CHAMPION
    if window is not None:
        if watermark < window.end:
            return None
        rows = watch.row_log.read(window.start, window.end, include_late=False)
        if rows.num_rows >= _rows_needed(watch):
            origin = "its training window, for the features as they are now"
            return _kept(watch, version, rows, origin, tagged_importance(tags))
    pane = watch.policy.data.pane
    with watch.store.read() as tx:
        earliest = first_row_at(watch, tx.ingest_state(watch.name))
    if earliest is None:
        return None
    first = first_rows(watch, floor_to(earliest, pane), floor_to(watermark, pane))
    if first is None:
        return None
    origin = "the first rows seen: those of its training are not known or no longer kept"
    return _kept(watch, version, first, origin, tagged_importance(tags))


def _tags(watch: Watch, champion: Champion | None) -> Mapping[str, str]:
    if champion is None:
        return {}
    return watch.registry.version(watch.policy.model.name, champion.version).tags


def _rows_needed(watch: Watch) -> int:
    """As many as a monitor wants to see before it says anything."""
    monitors = watch.policy.monitors.values()
    return max(
        (one.min_rows for one in monitors if isinstance(one, DriftMonitor | QualityMonitor)),
        default=FEWEST_ROWS,
    )


def first_rows(watch: Watch, start: datetime, until: datetime) -> pa.Table | None:
    """Punctual rows from ``start`` on, up to the end of the pane that makes them enough.

    None when it lies after ``until``. Which rows these are depends on the rows alone, not on when the
    question is asked.
    """
    pane = watch.policy.data.pane
    length = max(longest_window(watch.policy) * FIRST_WINDOWS, pane)
    end = start
    while end < until:
        end = min(ceil_to(end + 2 * length, pane), until)
        rows = watch.row_log.read(start, end, include_late=False)
        enough = _enough(rows, start + length, pane, _rows_needed(watch))
        if enough:
            return rows.slice(0, enough)
    return None


def _enough(rows: pa.Table, not_before: datetime, pane: timedelta, needed: int) -> int:
    """How many of the rows lie before the first end of a pane by which they are enough; 0: never."""
    instants = event_microseconds(rows)
    length = pane // MICROSECOND
    ends = (instants // length + 1) * length
    borders = np.append(np.flatnonzero(np.diff(ends)) + 1, len(ends)) if len(ends) else np.empty(0, int)
    late_enough = ends[borders - 1] >= (not_before - EPOCH) // MICROSECOND
    found = borders[late_enough & (borders >= needed)]
    return int(found[0]) if found.size else 0


def _kept(
    watch: Watch, version: Version, rows: pa.Table, origin: str, importance: Mapping[str, float]
) -> Reference:
    """The reference of ``rows``, on record. Features that had no value then are left out of tests."""
    reference = without_empty(build(watch, rows, importance=importance))
    first, last = rows["event_at"][0].as_py(), rows["event_at"][rows.num_rows - 1].as_py()
    whose = "the reference" if version == NO_CHAMPION else f"the reference of version {version}"
    span = f"({rows.num_rows} rows, {first:%Y-%m-%d} to {last:%Y-%m-%d})"
    keep_reference(watch, version, reference, f"{whose} is made from {origin} {span}")
    return reference


def keep_reference(watch: Watch, version: Version, reference: Reference, message: str) -> None:
    """Put a reference on record; from now on it is that of this version."""
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.save_reference(watch.name, version, reference.grid.name, reference.to_bytes())
        tx.append_event(watch.event("reference_made", message))
    watch.references.clear()
    watch.references[version] = reference


def without_empty(reference: Reference) -> Reference:
    """The reference, with columns that have no value in it left out of tests."""
    empty = {
        name: "no values in the reference"
        for name, column in reference.profile.columns.items()
        if column.values == 0
    }
    return replace(reference, left_out={**reference.left_out, **empty})

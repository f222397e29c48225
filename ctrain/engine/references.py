"""References: what the inputs looked like when the champion was trained, keyed by its version.

The reference of a version that ctrain trained is its training window. A champion from elsewhere has
no recorded window: its reference is made from the first rows that were seen, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Champion, Run, Version, Window
from ctrain.engine.matured import EPOCH_START, ceil_to, floor_to, longest
from ctrain.engine.moves import found_in
from ctrain.engine.panes import first_row_at
from ctrain.engine.quality_sight import quality_reach
from ctrain.policy.monitors import DriftMonitor, QualityMonitor
from ctrain.stats.grid import NumericGrid
from ctrain.stats.profile import event_microseconds
from ctrain.stats.reference import Reference, build_reference

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

FIRST_WINDOWS = 4
"""A reference without a training window spans this many drift windows: enough to see its own variability."""


def save_reference_of_run(watch: Watch, run: Run) -> Callable[[Transaction], None]:
    """What to do in the transaction that ends the gates: save the reference of the training window."""
    version = run.challenger_version
    assert version is not None
    found = found_in(run, "training")
    start = datetime.fromisoformat(found["window_start"])
    rows = watch.row_log.read(start, datetime.fromisoformat(found["cut_off"]))
    reference = _build(watch, rows)

    def save(tx: Transaction) -> None:
        tx.save_reference(watch.name, version, reference.grid.name, reference.to_bytes())

    return save


def _build(watch: Watch, rows: pa.Table) -> Reference:
    features = watch.policy.data.features
    return build_reference(rows, features.numeric, features.categorical, watch.policy.data.pane)


def load_reference(watch: Watch, champion: Champion) -> Reference | None:
    """The reference in force with this champion; None until enough rows have been seen."""
    kept = watch.references.get(champion.version)
    if kept is not None and _fits(watch, kept):
        return kept
    with watch.store.read() as tx:
        stored = tx.reference(watch.name, champion.version)
        watermark = tx.ingest_state(watch.name).watermark
    reference = Reference.from_bytes(stored[1]) if stored is not None else None
    if reference is None or not _fits(watch, reference):
        reference = _made_now(watch, champion, watermark) if watermark is not None else None
    if reference is not None:
        watch.references.clear()
        watch.references[champion.version] = reference
    return reference


def _fits(watch: Watch, reference: Reference) -> bool:
    """False when the policy's features or pane have changed since the reference was made."""
    features = watch.policy.data.features
    kinds = {name: isinstance(grid, NumericGrid) for name, grid in reference.grid.columns.items()}
    wanted = {name: name in features.numeric for name in features.names}
    return reference.pane == watch.policy.data.pane and kinds == wanted


def _made_now(watch: Watch, champion: Champion, watermark: datetime) -> Reference | None:
    """From the recorded training window if its rows are kept, else from the first rows."""
    window = _training_window(watch, champion)
    if window is not None:
        if watermark < window.end:
            return None
        rows = watch.row_log.read(window.start, window.end, include_late=False)
        if rows.num_rows >= _rows_needed(watch):
            origin = "its training window, for the features as they are now"
            return _kept(watch, champion.version, rows, origin)
    first = _first_rows(watch, watermark)
    if first is None:
        return None
    origin = "the first rows seen: those of its training are not known or no longer kept"
    return _kept(watch, champion.version, first, origin)


def _training_window(watch: Watch, champion: Champion) -> Window | None:
    tags = watch.registry.version(watch.policy.model.name, champion.version).tags
    start, end = tags.get("ctrain.window_start"), tags.get("ctrain.cut_off")
    if start is None or end is None:
        return None
    return Window(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _rows_needed(watch: Watch) -> int:
    """As many as the monitors that compare with it want to see before they say anything."""
    asking = [one for one in watch.policy.monitors.values() if isinstance(one, DriftMonitor | QualityMonitor)]
    return max(one.min_rows for one in asking)


def _first_rows(watch: Watch, watermark: datetime) -> pa.Table | None:
    """Punctual rows from the first on, up to the end of the pane that makes them enough.

    Which rows these are depends on the rows alone, not on when the question is asked.
    """
    window = max(longest(watch.policy, DriftMonitor), quality_reach(watch.policy))
    pane, length = watch.policy.data.pane, window * FIRST_WINDOWS
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    first = first_row_at(watch, state)
    if first is None:
        return None
    start, until = floor_to(first, pane), floor_to(watermark, pane)
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
    length = pane // timedelta(microseconds=1)
    ends = (instants // length + 1) * length
    borders = np.append(np.flatnonzero(np.diff(ends)) + 1, len(ends)) if len(ends) else np.empty(0, int)
    late_enough = ends[borders - 1] >= (not_before - EPOCH_START) // timedelta(microseconds=1)
    found = borders[late_enough & (borders >= needed)]
    return int(found[0]) if found.size else 0


def _kept(watch: Watch, version: Version, rows: pa.Table, origin: str) -> Reference:
    """The reference of ``rows``, on record. Features that had no value then are left out of tests."""
    reference = _build(watch, rows)
    empty = {
        name: "no values in the reference"
        for name in watch.policy.data.features.names
        if rows[name].null_count == rows.num_rows
    }
    reference = replace(reference, left_out={**reference.left_out, **empty})
    _save(watch, version, reference, rows, origin)
    return reference


def _save(watch: Watch, version: Version, reference: Reference, rows: pa.Table, origin: str) -> None:
    first, last = rows["event_at"][0].as_py(), rows["event_at"][rows.num_rows - 1].as_py()
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.save_reference(watch.name, version, reference.grid.name, reference.to_bytes())
        tx.append_event(
            watch.event(
                "reference_made",
                f"the reference of version {version} is made from {origin} "
                f"({rows.num_rows} rows, {first:%Y-%m-%d} to {last:%Y-%m-%d})",
            )
        )

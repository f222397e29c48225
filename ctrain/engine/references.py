"""References: what the inputs looked like when the champion was trained, keyed by its version.

The reference of a version that ctrain trained is its training window. A champion from elsewhere has
no recorded window: its reference is made from the first rows that were seen, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Champion, Run, Version
from ctrain.engine.matured import EPOCH_START
from ctrain.engine.moves import found_in
from ctrain.policy.monitors import DriftMonitor
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
    reference = Reference.from_bytes(stored[1]) if stored is not None else None
    if reference is None or not _fits(watch, reference):
        reference = _from_training_window(watch, champion) or _from_first_rows(watch, champion)
    if reference is not None:
        watch.references.clear()
        watch.references[champion.version] = reference
    return reference


def _fits(watch: Watch, reference: Reference) -> bool:
    """False when the policy's features or pane have changed since the reference was made."""
    known = {*reference.grid.columns, *reference.left_out}
    return reference.pane == watch.policy.data.pane and known.issuperset(watch.policy.data.features.names)


def _from_training_window(watch: Watch, champion: Champion) -> Reference | None:
    """Made again from the rows of the recorded training window, as far as they are still kept."""
    tags = watch.registry.version(watch.policy.model.name, champion.version).tags
    start, end = tags.get("ctrain.window_start"), tags.get("ctrain.cut_off")
    if start is None or end is None:
        return None
    rows = watch.row_log.read(datetime.fromisoformat(start), datetime.fromisoformat(end))
    if rows.num_rows == 0:
        return None
    reference = _build(watch, rows)
    _save(watch, champion.version, reference, rows, "its training window, for the features as they are now")
    return reference


def _from_first_rows(watch: Watch, champion: Champion) -> Reference | None:
    windows = [one.window for one in watch.policy.monitors.values() if isinstance(one, DriftMonitor)]
    with watch.store.read() as tx:
        watermark = tx.ingest_state(watch.name).watermark
    if not windows or watermark is None:
        return None
    rows = _first_rows(watch, max(windows) * FIRST_WINDOWS, watermark)
    if rows is None:
        return None
    reference = _build(watch, rows)
    _save(
        watch, champion.version, reference, rows, "the first rows seen: nobody recorded its training window"
    )
    return reference


def _first_rows(watch: Watch, length: timedelta, watermark: datetime) -> pa.Table | None:
    rows = watch.row_log.read(EPOCH_START, watermark)
    if rows.num_rows == 0:
        return None
    first = rows["event_at"][0].as_py()
    if first + length > watermark:
        return None
    return watch.row_log.read(first, first + length)


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

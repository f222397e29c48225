"""The rows of a training: which window, what is held out, what the child gets to see of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ctrain.domain import IngestState, MonitorName, Run
from ctrain.engine.instants import EPOCH
from ctrain.engine.matured import (
    MIN_HOLDOUT_ROWS,
    MIN_TRAINING_ROWS,
    labelled_rows,
    matured_until,
    training_end,
)
from ctrain.monitors.detected_changes import DetectedChange, latest_change
from ctrain.policy.models import AllRows, LastWindow, SinceChange
from ctrain.policy.monitors import ChangeMonitor
from ctrain.policy.triggers import Condition
from ctrain.stats.age_weights import age_weights
from ctrain.triggers.limits import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

ROWS_FILE, WEIGHTS_FILE, HOLDOUT_FILE = "rows.parquet", "weights.parquet", "holdout.parquet"
WEIGHT = "weight"
"""Name of the column of a file of weights that says what a row weighs."""


class TrainingWindow(NamedTuple):
    """Labelled, matured rows in event-time order, where they end, and why they begin where they do."""

    rows: pa.Table
    end: datetime
    why: str


def training_window(watch: Watch, run: Run, state: IngestState) -> TrainingWindow | None:
    """The rows to train on and to hold out, by the policy's window; None: no row has matured."""
    matured = matured_until(state, watch.policy)
    if matured is None:
        return None
    end = training_end(watch.policy, matured)
    match watch.policy.train.window:
        case LastWindow(last=last):
            return TrainingWindow(labelled_rows(watch, end - last, end), end, "")
        case AllRows():
            return TrainingWindow(labelled_rows(watch, EPOCH, end), end, "")
        case SinceChange(min_rows=min_rows):
            return _since_change(watch, run, end, min_rows)


def _since_change(watch: Watch, run: Run, end: datetime, min_rows: int) -> TrainingWindow:
    change = detected_change(watch, run)
    start = end if change is None else min(change.began_at, end)
    rows = labelled_rows(watch, start, end)
    since = "" if change is None else f"the change that {change.monitor} found began {shown(change.began_at)}"
    if change is not None and rows.num_rows >= min_rows:
        return TrainingWindow(rows, end, since)
    reason = f"{since}: only {rows.num_rows} rows since" if since else "no change has been detected"
    rows = _last_rows(watch, start, end, min_rows)
    return TrainingWindow(rows, end, f"{reason}; the last {rows.num_rows} rows")


def _last_rows(watch: Watch, start: datetime, end: datetime, count: int) -> pa.Table:
    """The last ``count`` rows before ``end`` (all, if there are fewer), looking further and further back."""
    length = max(end - start, watch.policy.data.pane)
    rows = labelled_rows(watch, max(end - length, EPOCH), end)
    while rows.num_rows < count and end - length > EPOCH:
        length = min(2 * length, end - EPOCH)
        rows = labelled_rows(watch, end - length, end)
    return rows.slice(max(rows.num_rows - count, 0))


def detected_change(watch: Watch, run: Run) -> DetectedChange | None:
    """The change that the change monitors of the run's trigger found last under the present champion.

    A trigger without one (a schedule, a person) takes those of the whole policy.
    """
    if run.champion_version is None:
        return None
    trigger = watch.policy.triggers.get(run.trigger)
    named = trigger.monitors if isinstance(trigger, Condition) else ()
    known = [name for name, one in watch.policy.monitors.items() if isinstance(one, ChangeMonitor)]
    names = [name for name in known if name in named] or known
    with watch.store.read() as tx:
        memories = [
            (MonitorName(name), tx.detector(watch.name, MonitorName(name), run.champion_version))
            for name in names
        ]
    return latest_change((name, memory.get("state") if memory else None) for name, memory in memories)


def split(watch: Watch, rows: pa.Table) -> tuple[pa.Table, pa.Table] | None:
    """The newest share is held out; rows of one instant stay on one side. None: too few for both."""
    import pyarrow.compute as pc

    train = watch.policy.train
    held_out = int(rows.num_rows * train.holdout)
    if not held_out:
        return None
    border = rows["event_at"][rows.num_rows - held_out]
    older = pc.less(rows["event_at"], border)
    kept, holdout = rows.filter(older), rows.filter(pc.invert(older))
    enough = kept.num_rows >= max(train.min_rows, MIN_TRAINING_ROWS) and holdout.num_rows >= MIN_HOLDOUT_ROWS
    return (kept, holdout) if enough else None


def as_contracted(watch: Watch, rows: pa.Table) -> pa.Table:
    """What a training function sees: the features and the label under its own name."""
    data = watch.policy.data
    names = [*data.features.names, "label"]
    return rows.select(names).rename_columns([*data.features.names, data.labels.label])


def weights_of(rows: pa.Table, half_life: timedelta) -> pa.Table:
    """The weight of each row, by its age, beside its event time."""
    import pyarrow as pa

    instants = rows["event_at"].to_numpy().astype("datetime64[us]")
    weights = pa.array(age_weights(instants, half_life))
    return rows.select(["event_at"]).append_column(WEIGHT, weights)


def write_rows(watch: Watch, run: Run, rows: pa.Table) -> None:
    """Write what the child gets, as ``files_of`` names it."""
    watch.workspace.write(run.id, ROWS_FILE, as_contracted(watch, rows))
    if watch.policy.train.weights is not None:
        watch.workspace.write(run.id, WEIGHTS_FILE, weights_of(rows, watch.policy.train.weights.half_life))


def read_holdout(watch: Watch, run: Run) -> pa.Table | None:
    """The held-out rows of the run; None: they are gone from its folder."""
    return watch.workspace.read(watch.workspace.path(run.id, HOLDOUT_FILE))


def write_all_rows(watch: Watch, run: Run, holdout: pa.Table) -> int | None:
    """Write training rows and holdout as one training; how many rows, or None: the former are gone."""
    import pyarrow as pa

    rows = watch.workspace.read(watch.workspace.path(run.id, ROWS_FILE))
    weights = watch.policy.train.weights
    known = watch.workspace.read(watch.workspace.path(run.id, WEIGHTS_FILE)) if weights else None
    if rows is None or (weights is not None and known is None):
        return None
    everything = pa.concat_tables([rows, as_contracted(watch, holdout)])
    watch.workspace.write(run.id, _of_refit(ROWS_FILE), everything)
    if weights is not None and known is not None:
        instants = pa.concat_tables([known.select(["event_at"]), holdout.select(["event_at"])])
        watch.workspace.write(run.id, _of_refit(WEIGHTS_FILE), weights_of(instants, weights.half_life))
    return everything.num_rows


def files_of(watch: Watch, *, refit: bool) -> dict[str, str]:
    """Names of the files that a training reads, and what they are called in the run's own folder."""
    names = [ROWS_FILE] if watch.policy.train.weights is None else [ROWS_FILE, WEIGHTS_FILE]
    return {name: _of_refit(name) if refit else name for name in names}


def _of_refit(name: str) -> str:
    return f"refit-{name}"


def instant(table: pa.Table, position: int) -> datetime:
    """Event time of a row."""
    value = table["event_at"][position].as_py()
    assert isinstance(value, datetime)
    return value

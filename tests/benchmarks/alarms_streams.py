"""Real streams with a documented change: silence before it, and how many rows until it is found.

Inputs: drift monitors with default settings beside a reference of the rows before; a stretch between
reference and change is counted by itself, because real streams move for other reasons, too. Losses:
a change detector on a model that is never retrained, its baseline from rows that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.monitors.drift import DriftWindow, assess_drift
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.profile import merge, profile_panes
from ctrain.stats.reference import Reference, build_reference
from tests.benchmarks.alarms_detectors import alarms_in

START = datetime(2000, 1, 1, tzinfo=UTC)
METADATA = ("t", "target", "partition", "y_pred_proba_ref", "y_pred_ref")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stream:
    """A file of the folder, the row of its documented change, and how it is watched."""

    name: str
    change: str
    reference: int
    """Rows of the reference, the first ones."""
    changed: int
    """First row of the change; the calm stretch lies between."""
    window: timedelta
    pane: timedelta
    left_out: tuple[str, ...] = ()
    """Columns that are not looked at: functions of the time."""


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STREAMS = (
    Stream(
        "elec2", "the Victorian market joins", 14_000, 17_424, 14 * DAY, 12 * HOUR, ("date", "day", "period")
    ),
    Stream("nannyml_car_loan", "car_value and loan_length shift", 50_000, 75_000, 7 * DAY, 12 * HOUR),
    Stream(
        "insects_gradual", "temperature, gradually until 14,028", 9_500, 10_500, 1_000 * MINUTE, 50 * MINUTE
    ),
    Stream("valencia_no2", "state of alarm, 14 March 2020", 8_760, 10_304, 28 * DAY, DAY, ("co_leak",)),
)
"""insects_gradual has no clock: a row is taken for a minute. co_leak of valencia_no2 has another level from
January 2020 on, before the state of alarm: it breaches from then on, rightly, and would hide the rest."""


@dataclass(frozen=True)
class Found:
    """What a monitor said of a stream."""

    stream: Stream
    monitor: str
    inside: str
    """Windows of the reference itself that were breached, of how many."""
    calm: str
    """The same between the reference and the change."""
    delay: int | None
    """Rows from the change to the first breach after it."""
    columns: tuple[str, ...] = ()


def load(folder: Path, stream: Stream) -> pa.Table:
    """The rows with ``event_at`` instead of ``t``."""
    table = pq.read_table(folder / f"{stream.name}.parquet")
    if pa.types.is_timestamp(table.schema.field("t").type):
        moments = table["t"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    else:
        first = int(START.timestamp() * 1e6)
        moments = first + np.arange(table.num_rows) * 60_000_000
    return table.append_column("event_at", pa.array(moments, pa.timestamp("us", "UTC")))


def columns_of(table: pa.Table, stream: Stream) -> tuple[list[str], list[str]]:
    """Numeric and categorical inputs."""
    names = [one for one in table.column_names if one not in (*METADATA, "event_at", *stream.left_out)]
    kinds = {one: table.schema.field(one).type for one in names}
    numeric = [one for one in names if pa.types.is_integer(kinds[one]) or pa.types.is_floating(kinds[one])]
    return numeric, [one for one in names if one not in numeric]


def inputs(folder: Path, tests: Sequence[str]) -> Iterator[Found]:
    """Yield what drift monitors with these tests say of each stream."""
    for stream in STREAMS:
        table = load(folder, stream)
        reference = build_reference(table.slice(0, stream.reference), *columns_of(table, stream), stream.pane)
        for test in tests:
            yield _watched(table, stream, reference, test)


def _watched(table: pa.Table, stream: Stream, reference: Reference, test: str) -> Found:
    monitor = DriftMonitor.model_validate(
        {"type": "drift", "test": test, "window": f"{int(stream.window.total_seconds())}s", "min_rows": 300}
    )
    verdicts = list(_verdicts(table, stream, reference, monitor))
    inside = [one for row, one in verdicts if row <= stream.reference]
    rows_of_window = int(np.median([one.n for _, one in verdicts]))
    calm = [one for row, one in verdicts if stream.reference + rows_of_window <= row <= stream.changed]
    after = [(row, one) for row, one in verdicts if row > stream.changed and one.status is Status.BREACHED]
    first = after[0] if after else None
    columns = [one for one in first[1].features if one.breached] if first else []
    ranked = sorted(columns, key=lambda one: -one.effect / one.threshold)
    return Found(
        stream,
        f"drift, {test}",
        _breached(inside),
        _breached(calm),
        first[0] - stream.changed if first else None,
        tuple(dict.fromkeys(one.column for one in ranked[:3])),
    )


def _breached(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(one.status is Status.BREACHED for one in verdicts)} of {len(verdicts)}"


def _verdicts(
    table: pa.Table, stream: Stream, reference: Reference, monitor: DriftMonitor
) -> Iterator[tuple[int, Verdict]]:
    """Yield a verdict at the end of every pane with a whole window behind it, with the rows until then."""
    panes = profile_panes(table, reference.grid, stream.pane)
    starts = sorted(panes)
    until = dict(zip(starts, np.cumsum([panes[one].rows for one in starts]).tolist(), strict=True))
    usual = reference.variability(monitor.window, monitor.min_rows, monitor.test)
    first = 0
    for place, start in enumerate(starts):
        end = start + stream.pane
        while starts[first] < end - stream.window:
            first += 1
        if end - stream.window < starts[0] or until[start] > 3 * stream.changed:
            continue
        current = merge([panes[one] for one in starts[first : place + 1]])
        window = DriftWindow("", reference.grid, reference.profile, current, reference.left_out, usual)
        yield until[start], assess_drift(MonitorName("inputs"), monitor, [window], end, None)


def losses(folder: Path, detectors: Sequence[str]) -> Iterator[Found]:
    """Yield what change detectors say of the losses of a model that is never retrained."""
    for stream in STREAMS:
        table = load(folder, stream)
        trained, loss = _losses(table, stream)
        baseline_ends = trained + (stream.reference - trained)
        for detector in detectors:
            alarms = alarms_in(
                detector, loss[: baseline_ends - trained], loss[baseline_ends - trained :], 1_000_000
            )
            rows = [one + baseline_ends for one in alarms]
            before = sum(one < stream.changed for one in rows)
            after = [one - stream.changed for one in rows if one >= stream.changed]
            calm = f"{before} in {stream.changed - baseline_ends:,} rows"
            yield Found(stream, f"losses, {detector}", "", calm, after[0] if after else None)


def _losses(table: pa.Table, stream: Stream) -> tuple[int, Floats]:
    """Rows trained on, and the losses of all later ones: 0/1, or absolute errors scaled to [0, 1]."""
    from pandas.api.types import is_numeric_dtype
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    numeric, categorical = columns_of(table, stream)
    wanted = [one for one in (*numeric, *categorical) if not one.endswith("_leak")]
    frame = table.select(wanted).to_pandas()
    for name in frame.columns:
        if not is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype("category").cat.codes
    moments = table["event_at"].to_numpy().astype("datetime64[h]").astype(np.int64)
    frame["hour"], frame["weekday"] = moments % 24, moments // 24 % 7
    target = table["target"].to_numpy()
    trained = stream.reference // 2
    regression = len(np.unique(target)) > 20
    model = (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(random_state=0)
    model.fit(frame[:trained], target[:trained])
    predicted = model.predict(frame[trained:])
    if not regression:
        return trained, (predicted != target[trained:]).astype(np.float64)
    errors = np.abs(predicted - target[trained:])
    known = errors[: stream.reference - trained]
    return trained, np.clip(errors / np.quantile(known[np.isfinite(known)], 0.99), 0.0, 1.0)

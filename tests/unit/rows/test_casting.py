"""Every source type has one meaning in the row log, or is marked as bad."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctrain.rows.casting import cast_boolean, cast_label, cast_number, cast_prediction, cast_text
from ctrain.rows.instants import cast_date, cast_instant

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("array", "values", "bad"),
    [
        (pa.array([1, None], pa.int8()), [1.0, None], []),
        (pa.array([2**60], pa.int64()), [float(2**60)], []),
        (pa.array([2**53 + 1, -(2**63)]), [2.0**53, -(2.0**63)], []),  # to the nearest number, never around
        (pa.array([2**64 - 1], pa.uint64()), [2.0**64], []),
        (pa.array(["18446744073709551616", "1e999", "-1e999"]), [2.0**64, INFINITY, -INFINITY], []),
        (pa.array([True, False]), [1.0, 0.0], []),
        (pa.array([1.5, NAN, INFINITY]), [1.5, None, INFINITY], []),
        (pa.array([1.5], pa.float32()), [1.5], []),
        (pa.array([Decimal("1.25")]), [1.25], []),
        (
            pa.array(["1", " 2.5 ", "-1e3", "", "NaN", None, "many"]),
            [1.0, 2.5, -1000.0, None, None, None, None],
            [6],
        ),
        (pa.array(["1", "x"]).dictionary_encode(), [1.0, None], [1]),
        (pa.array([None, None]), [None, None], []),
        (pa.array(["7"], pa.large_string()), [7.0], []),
        (pa.array([], pa.int64()), [], []),
    ],
)
def test_numbers_of_any_type_are_cast_and_others_marked(
    array: Any, values: list[Any], bad: list[int]
) -> None:
    cast = cast_number(array)
    assert cast.values.to_pylist() == values
    assert np.flatnonzero(cast.bad).tolist() == bad


@pytest.mark.parametrize(
    ("array", "values", "bad"),
    [
        (pa.array(["a", None]), ["a", None], []),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"], []),
        (pa.array([7, None]), ["7", None], []),
        (pa.array([7.0, NAN, 0.5]), ["7", None, "0.5"], []),
        (pa.array([Decimal(100), Decimal("1.50"), None], pa.decimal128(9, 2)), ["100", "1.50", None], []),
        (pa.array([Decimal(-7), Decimal(0)], pa.decimal256(38, 10)), ["-7", "0"], []),
        (pa.array([Decimal(100)], pa.decimal128(38, 0)).dictionary_encode(), ["100"], []),
        (pa.array([True]), ["true"], []),
        (pa.array([b"ab"]), ["ab"], []),
        (pa.array([b"ab", b"\xff"]), ["ab", None], [1]),
        (pa.array([bytes(range(16)), None], pa.binary(16)), ["000102030405060708090a0b0c0d0e0f", None], []),
        (pa.array(["a"], pa.string_view()), ["a"], []),
        (pa.array([date(2013, 1, 2)]), ["2013-01-02"], []),
        (pa.nulls(1), [None], []),
    ],
)
def test_values_of_any_type_are_cast_to_texts(array: Any, values: list[Any], bad: list[int]) -> None:
    cast = cast_text(array)
    assert cast.values.to_pylist() == values
    assert cast.values.type == pa.string()
    assert np.flatnonzero(cast.bad).tolist() == bad


@pytest.mark.parametrize(
    ("array", "values", "bad"),
    [
        (pa.array([True, False, None]), [1.0, 0.0, None], []),
        (pa.array([1, 0, 2, None], pa.int8()), [1.0, 0.0, None, None], [2]),
        (pa.array([1.0, 0.5, NAN]), [1.0, None, None], [1]),
        (
            pa.array(["true", " False ", "T", "no", "Y", "1", "0.0", "on", "", "NaN", None]),
            [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, None, None, None],
            [],
        ),
        (pa.array(["2", "maybe", "yes"]), [None, None, 1.0], [0, 1]),
        (pa.array(["yes", "x"]).dictionary_encode(), [1.0, None], [1]),
        (pa.nulls(2), [None, None], []),
        (pa.array([], pa.bool_()), [], []),
    ],
)
def test_booleans_of_any_type_are_cast_and_others_marked(
    array: Any, values: list[Any], bad: list[int]
) -> None:
    cast = cast_boolean(array)
    assert cast.values.to_pylist() == values
    assert cast.values.type == pa.float64()
    assert np.flatnonzero(cast.bad).tolist() == bad


TOKYO = "Asia/Tokyo"


@pytest.mark.parametrize(
    ("array", "zone", "values", "bad"),
    [
        (pa.array([date(1970, 1, 2), date(1950, 1, 1), None]), TOKYO, [1.0, -7305.0, None], []),
        (pa.array([date(1970, 1, 2)], pa.date64()), None, [1.0], []),
        (pa.array([datetime(1970, 1, 2, 12)]), None, [1.5], []),  # noqa: DTZ001 - naive on purpose
        (pa.array([datetime(1970, 1, 2, 12)]), TOKYO, [1.125], []),  # noqa: DTZ001 - naive on purpose
        (pa.array([datetime(1970, 1, 2, 12, tzinfo=UTC)], pa.timestamp("ns", "UTC")), TOKYO, [1.5], []),
        (
            pa.array(["1970-01-02", "1970-01-02T12:00:00Z", "1970-01-02 12:00", "1970-01-02t12:00:00+09:00"]),
            TOKYO,
            [1.0, 1.5, 1.125, 1.125],
            [],
        ),
        (pa.array(["19700102", "19700102T120000Z", "19700102T1200"]), TOKYO, [1.0, 1.5, 1.125], []),
        (pa.array(["", "NaT", None, "soon", "2013-02-30", "7"]), None, [None] * 6, [3, 4, 5]),
        (pa.array(["9999-12-31", "0001-01-01"]), TOKYO, [2932896.0, -719162.0], []),
        (pa.array(["02.01.1970", "2.1.1970 12:00", "1970-01-02"]), None, [1.0, 1.5, 1.0], []),
        (pa.array([2**62, -(2**62), 0], pa.timestamp("s")), "UTC", [None, None, 0.0], [0, 1]),
        (pa.nulls(1), None, [None], []),
    ],
)
def test_dates_of_any_type_are_cast_and_others_marked(
    array: Any, zone: str | None, values: list[Any], bad: list[int]
) -> None:
    cast = cast_date(array, zone)
    assert cast.values.to_pylist() == values
    assert cast.values.type == pa.float64()
    assert np.flatnonzero(cast.bad).tolist() == bad


def test_a_date_in_the_hours_of_daylight_saving_reads_as_an_event_time_does() -> None:
    local = pa.array([datetime.fromisoformat("2013-11-03T01:30:00")])
    [days] = cast_date(local, "America/New_York").values.to_pylist()
    [instant] = cast_instant(local, "America/New_York").values.to_pylist()
    assert days * 86400 == instant.timestamp()


NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("array", "zone", "values", "bad", "naive"),
    [
        (pa.array([NOON, None], pa.timestamp("us", tz="UTC")), None, [NOON, None], [], []),
        (pa.array([NOON], pa.timestamp("s", tz="Asia/Tokyo")), None, [NOON], [], []),
        (pa.array([NOON], pa.timestamp("ns", tz="UTC")), None, [NOON], [], []),
        (pa.array([datetime(2013, 1, 1, 7)], pa.timestamp("ms")), "America/New_York", [NOON], [], []),  # noqa: DTZ001 - naive on purpose
        (pa.array([date(2013, 1, 1)]), "UTC", [datetime(2013, 1, 1, tzinfo=UTC)], [], []),
        (pa.array([-1, 2**62], pa.timestamp("s", tz="UTC")), None, [None, None], [0, 1], []),
        (pa.array([2**40], pa.timestamp("s")), "UTC", [None], [0], []),
        (pa.array(["2013-01-01T12:00:00Z", "2013-01-01T13:00:00+01:00"]), None, [NOON, NOON], [], []),
        (pa.array(["2013-01-01 12:00:00.000001+0000"]), None, [NOON.replace(microsecond=1)], [], []),
        (pa.array(["2013-01-01T07:00:00", "soon", None]), "America/New_York", [NOON, None, None], [1], []),
        (pa.array(["2013-01-01T07:00:00", "soon"]), None, [None, None], [1], [0]),
        (pa.array(["1901-01-01T00:00:00Z"]), None, [None], [0], []),
        (pa.array(["01.01.2013 12:00", "1.1.2013 12:00:00", "2013-01-01T12:00"]), "UTC", [NOON] * 3, [], []),
        (pa.array(["31.02.2013 12:00", "13.13.2013", "01/01/2013"]), "UTC", [None] * 3, [0, 1, 2], []),
        (pa.array(["01.01.2013 13:00+01:00", "01.01.2013 13:00"]), None, [NOON, None], [], [1]),
        *(
            (pa.array([text]), zone, [NOON], [], [])
            for text in (
                "20130101T120000Z",
                "20130101t120000.000z",
                "20130101 1300+0100",
                "2013-01-01T12Z",
                "2013-01-01T12:00:00z",
                "2013-01-01T06:30:00-05:30",
                "2013-01-01T17:30:15+05:30:15",
            )
            for zone in (None, TOKYO)
        ),
        (pa.array(["20130101T210000", "20130101"]), TOKYO, [NOON, NOON - timedelta(hours=21)], [], []),
        (pa.array(["2013-W01-2_12Z"]), TOKYO, [None], [0], []),
        (pa.nulls(1), None, [None], [], []),
    ],
)
def test_instants_of_any_type_are_cast_and_others_marked(
    array: Any, zone: str | None, values: list[Any], bad: list[int], naive: list[int]
) -> None:
    cast = cast_instant(array, zone)
    assert cast.values.to_pylist() == values
    assert cast.values.type == pa.timestamp("us", tz="UTC")
    assert np.flatnonzero(cast.bad).tolist() == bad
    assert np.flatnonzero(cast.naive).tolist() == naive


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2013-11-03T01:30:00", "2013-11-03T05:30:00+00:00"),  # twice: the first is meant
        ("2013-03-10T02:30:00", "2013-03-10T06:59:59.999999+00:00"),  # skipped: when it was skipped
    ],
)
def test_hours_of_daylight_saving(local: str, instant: str) -> None:
    array = pa.array([datetime.fromisoformat(local)], pa.timestamp("us"))
    assert cast_instant(array, "America/New_York").values.to_pylist() == [datetime.fromisoformat(instant)]


@pytest.mark.parametrize(
    ("task", "array", "values", "bad"),
    [
        ("binary", pa.array([0, 1, None, 2]), [0.0, 1.0, None, None], [3]),
        ("binary", pa.array([True, False]), [1.0, 0.0], []),
        ("binary", pa.array(["true", "0", "yes"]), [1.0, 0.0, None], [2]),
        ("binary", pa.array(["true ", "\tFALSE\n", " 1 "]), [1.0, 0.0, 1.0], []),
        ("binary", pa.array([0.5, NAN]), [None, None], [0]),
        ("regression", pa.array([1.5, NAN, INFINITY]), [1.5, None, None], [2]),
        ("multiclass", pa.array([3.0, None]), ["3", None], []),
        ("multiclass", pa.array(["cat"]), ["cat"], []),
    ],
)
def test_labels_are_cast_by_the_task_and_others_marked(
    task: str, array: Any, values: list[Any], bad: list[int]
) -> None:
    cast = cast_label(array, task)
    assert cast.values.to_pylist() == values
    assert np.flatnonzero(cast.bad).tolist() == bad


@pytest.mark.parametrize(
    ("task", "array", "values", "bad"),
    [
        ("binary", pa.array([0.25, None, NAN, 1.5, -0.1]), [0.25, None, None, None, None], [3, 4]),
        ("binary", pa.array([True]), [1.0], []),
        ("regression", pa.array([-3, 4]), [-3.0, 4.0], []),
        ("regression", pa.array([INFINITY]), [None], [0]),
        ("multiclass", pa.array(["cat"]), ["cat"], []),
    ],
)
def test_predictions_are_cast_by_the_task_and_others_marked(
    task: str, array: Any, values: list[Any], bad: list[int]
) -> None:
    cast = cast_prediction(array, task)
    assert cast.values.to_pylist() == values
    assert np.flatnonzero(cast.bad).tolist() == bad


def test_uuids_read_as_everybody_writes_them_and_other_named_types_as_what_they_are_made_of() -> None:
    """Parquet has a type for them, and a client's library may hand on types of its own."""
    raw = [bytes(range(16)), None, b"\xff" * 16]
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array(raw, pa.binary(16)))
    texts = ["00010203-0405-0607-0809-0a0b0c0d0e0f", None, "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    assert cast_text(uuids).values.to_pylist() == texts
    truth = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1], pa.int8()))
    assert cast_boolean(truth).values.to_pylist() == [0.0, 1.0]

"""Casting rows to what models were fitted on."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ctrain.child.frames import signature_frame, training_frame


def test_training_rows_have_the_dtypes_of_the_contract() -> None:
    table = pa.table(
        {
            "count": pa.array([1, None], pa.int64()),
            "flag": pa.array([True, None]),
            "distance": pa.array([1.5, None], pa.float32()),
            "carrier": pa.array(["AA", None]),
        }
    )
    frame = training_frame(table)
    assert [str(kind) for kind in frame.dtypes] == ["float64", "float64", "float64", "object"]
    assert frame["carrier"].tolist()[0] == "AA"
    for name in frame.columns:
        assert isinstance(frame[name][1], float)
        assert math.isnan(frame[name][1])


@pytest.mark.parametrize(
    ("kind", "given", "expected", "usable"),
    [
        ("double", pa.array([1, None], pa.int32()), [1.0, math.nan], [True, True]),
        ("double", pa.array(["1.5", "x", None]), [1.5, math.nan, math.nan], [True, False, True]),
        ("double", pa.nulls(2), [math.nan, math.nan], [True, True]),
        ("float", pa.array([0.5]), [0.5], [True]),
        ("long", pa.array([3.0, 3.5, None]), [3, 0, 0], [True, False, False]),
        ("long", pa.array([2.0**60]), [0], [False]),
        ("integer", pa.array([2**31 - 1, 2**31]), [2**31 - 1, 0], [True, False]),
        ("boolean", pa.array([1.0, 0.0, 2.0]), [True, False, False], [True, True, False]),
        ("string", pa.array([7, None]), ["7", math.nan], [True, True]),
        ("boolean", pa.array([1.0, None]), [True, False], [True, False]),
        ("datetime", pa.array([15706.5]), [np.datetime64("2013-01-01T12")], [True]),
        ("datetime", pa.array([1e12]), [None], [False]),
        ("datetime", pa.array(["2013-01-01", "soon"]), [np.datetime64("2013-01-01"), None], [True, False]),
    ],
)
def test_columns_are_cast_or_their_rows_set_aside(
    kind: str, given: pa.Array[Any], expected: list[Any], usable: list[bool]
) -> None:
    frame, mask = signature_frame(pa.table({"x": given}), [("x", kind, True)])
    assert mask.tolist() == usable
    found = [value for value, good in zip(frame["x"].to_numpy(), usable, strict=True) if good]
    wanted = [value for value, good in zip(expected, usable, strict=True) if good]
    pd.testing.assert_series_equal(pd.Series(found, dtype=object), pd.Series(wanted, dtype=object))


def test_a_date_that_is_missing_is_no_time() -> None:
    frame, mask = signature_frame(pa.table({"x": pa.array([0.0, None])}), [("x", "datetime", True)])
    assert frame["x"].isna().tolist() == [False, True]
    assert mask.all()


def test_times_with_a_zone_are_given_in_utc_without_one() -> None:
    table = pa.table({"at": pa.array([datetime(2013, 1, 1, 5, tzinfo=UTC)])})
    frame, _ = signature_frame(table, [("at", "datetime", True)])
    assert frame["at"].to_numpy()[0] == np.datetime64("2013-01-01T05:00")


def test_a_missing_column_is_an_error_unless_it_is_optional() -> None:
    table = pa.table({"a": [1.0]})
    frame, _ = signature_frame(table, [("a", "double", True), ("b", "double", False)])
    assert list(frame.columns) == ["a"]
    with pytest.raises(ValueError, match="the model needs the column 'b'"):
        signature_frame(table, [("b", "double", True)])
    with pytest.raises(ValueError, match="MLflow type 'binary' cannot be scored"):
        signature_frame(table, [("a", "binary", True)])

"""Instants and floats survive the database to the last bit."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from ctrain.store.columns import ExactFloat, Instant

DIALECT = sqlite.dialect()


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_come_back_exactly(at: datetime) -> None:
    stored = Instant().process_bind_param(at, DIALECT)
    assert isinstance(stored, int)
    assert Instant().process_result_value(stored, DIALECT) == at


def test_instants_are_ordered_like_their_numbers_in_any_zone() -> None:
    zone = timezone(timedelta(hours=-5))
    assert Instant().process_bind_param(datetime(1970, 1, 1, tzinfo=zone), DIALECT) == 5 * 3600 * 10**6
    assert Instant().process_bind_param(datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), DIALECT) == -1


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="a stored instant needs a time zone"):
        Instant().process_bind_param(datetime(2013, 1, 1), DIALECT)  # noqa: DTZ001 - the point


@given(st.floats())
def test_floats_come_back_exactly(value: float) -> None:
    back = ExactFloat().process_result_value(ExactFloat().process_bind_param(value, DIALECT), DIALECT)
    assert back is not None
    assert back == value or (math.isnan(back) and math.isnan(value))
    assert math.copysign(1, back) == math.copysign(1, value) or math.isnan(value)


@pytest.mark.parametrize("column", [Instant(), ExactFloat()])
def test_nothing_stays_nothing(column: Instant | ExactFloat) -> None:
    assert column.process_bind_param(None, DIALECT) is None
    assert column.process_result_value(None, DIALECT) is None

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.policy.fields import check_zone, format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1h30m", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        ("1w1d1h1m1s", timedelta(days=8, hours=1, minutes=1, seconds=1)),
        ("0s", timedelta(0)),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "value", ["", "h", "1", "1.5h", "30m1h", "1 h", "-1h", "1h ", 3600, None, ["1h"], True, "9" * 50 + "d"]
)
def test_other_durations_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(value)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 36_525 * 86_400))
def test_a_written_duration_reads_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "size"),
    [(5, 5), ("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("2TB", 2 * 10**12), ("7", 7), ("3kB", 3000)],
)
def test_sizes_are_read_as_people_write_them(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("value", ["", "GB", "1GiB", "-1GB", 1.5, None, True])
def test_other_sizes_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(value)


@pytest.mark.parametrize("value", ["Berlin", "CEST", "", "../etc/passwd", 1, None])
def test_other_zones_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected an IANA time zone"):
        check_zone(value)

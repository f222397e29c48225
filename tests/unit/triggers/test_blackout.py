"""When blackouts end: days, midnight, both days of the year on which the clock changes.

Offsets are the zones' own: Berlin goes from UTC+1 to UTC+2 on 31 March 2024 at 01:00 UTC and back on
27 October at 01:00 UTC; Santiago skips 00:00 to 01:00 on 8 September 2024 at 04:00 UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ctrain.policy.models import Blackout
from ctrain.triggers.blackout import LOOKED_AHEAD, blackout_until

MINUTE = timedelta(minutes=1)


def blackout(begin: str, end: str, zone: str = "UTC", days: list[str] | None = None) -> Blackout:
    return Blackout.model_validate({"from": begin, "to": end, "timezone": zone, "days": days})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FRIDAY_NIGHT = blackout("22:00", "06:00", "Asia/Tokyo", ["fri"])
NIGHT_IN_BERLIN = [blackout("22:00", "06:00", "Europe/Berlin")]
BERLIN = "Europe/Berlin"

STRETCHES = [
    # blackouts, its first moment, its end
    ("by day", [blackout("09:00", "17:00")], "2024-03-04 09:00", "2024-03-04 17:00"),
    ("past midnight", [blackout("22:00", "06:00")], "2024-03-04 22:00", "2024-03-05 06:00"),
    ("to midnight", [blackout("22:00", "00:00")], "2024-03-04 22:00", "2024-03-05 00:00"),
    ("of a day, in its zone", [FRIDAY_NIGHT], "2024-03-01 13:00", "2024-03-01 21:00"),
    ("spring, the night is shorter", NIGHT_IN_BERLIN, "2024-03-30 21:00", "2024-03-31 04:00"),
    ("autumn, it is longer", NIGHT_IN_BERLIN, "2024-10-26 20:00", "2024-10-27 05:00"),
    ("spring, from is skipped", [blackout("02:30", "05:00", BERLIN)], "2024-03-31 01:00", "2024-03-31 03:00"),
    ("spring, to is skipped", [blackout("00:30", "02:30", BERLIN)], "2024-03-30 23:30", "2024-03-31 01:00"),
    ("autumn, two froms", [blackout("02:30", "05:00", BERLIN)], "2024-10-27 00:30", "2024-10-27 04:00"),
    ("autumn, to comes twice", [blackout("00:30", "02:30", BERLIN)], "2024-10-26 22:30", "2024-10-27 01:30"),
    ("autumn, both come twice", [blackout("02:10", "02:40", BERLIN)], "2024-10-27 00:10", "2024-10-27 01:40"),
    (
        "midnight itself is skipped",
        [blackout("00:00", "03:00", "America/Santiago", ["sun"])],
        "2024-09-08 04:00",
        "2024-09-08 06:00",
    ),
    (
        "two that meet",
        [blackout("09:00", "12:00"), blackout("12:00", "14:00")],
        "2024-03-04 09:00",
        "2024-03-04 14:00",
    ),
    (
        "two that overlap, from two zones",
        [blackout("09:00", "12:00"), blackout("20:00", "23:00", "Asia/Tokyo")],
        "2024-03-04 09:00",
        "2024-03-04 14:00",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("blackouts", "begins", "ends"), [row[1:] for row in STRETCHES], ids=[row[0] for row in STRETCHES]
)
def test_a_blackout_lasts_from_its_first_moment_until_its_end(
    blackouts: list[Blackout], begins: str, ends: str
) -> None:
    begin, end = at(begins), at(ends)
    assert blackout_until(blackouts, begin - MINUTE) is None
    assert blackout_until(blackouts, begin) == end
    assert blackout_until(blackouts, end - MINUTE) == end
    assert blackout_until(blackouts, end) is None


def test_every_minute_of_the_changing_days_lies_in_one_stretch() -> None:
    nights = [blackout("01:15", "03:45", BERLIN)]
    for day in ("2024-03-30 12:00", "2024-10-26 12:00"):
        begin = at(day)
        inside = [blackout_until(nights, begin + MINUTE * minute) is not None for minute in range(24 * 60)]
        changes = sum(before != after for before, after in pairwise(inside))
        assert (inside[0], inside[-1], changes) == (False, False, 2)


def test_other_days_are_free() -> None:
    assert blackout_until([FRIDAY_NIGHT], at("2024-03-02 13:00")) is None
    assert blackout_until([FRIDAY_NIGHT], at("2024-02-29 13:00")) is None


def test_a_blackout_that_never_ends_is_said_to_last_long() -> None:
    until = blackout_until([blackout("00:00", "12:00"), blackout("12:00", "00:00")], at("2024-03-04 01:00"))
    assert until is not None
    assert LOOKED_AHEAD <= until - at("2024-03-04 01:00") <= LOOKED_AHEAD + timedelta(days=1)


def test_without_blackouts_nothing_is_forbidden() -> None:
    assert blackout_until([], at("2024-03-04 01:00")) is None

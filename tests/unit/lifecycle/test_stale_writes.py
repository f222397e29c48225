"""Which move, if any, explains an alias that names what is not on record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ctrain.domain import AliasIntent, PolicyName, Version
from ctrain.lifecycle.stale_writes import POSSIBLE, find_stale_write

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
TAKEN_OVER = AliasIntent(
    *("late", PolicyName("clicks"), "clicks", "promotion", Version("1"), None, Version("2"), Version("1")),
    fencing_token=4,
    created_at=NOON,
    outcome="done",
    closing_token=5,
)


@pytest.mark.parametrize(
    ("intent", "seen", "accounted", "later", "found"),
    [
        (TAKEN_OVER, "2", (), timedelta(0), True),
        (replace(TAKEN_OVER, outcome="superseded"), "2", (), timedelta(0), True),
        (replace(TAKEN_OVER, outcome="reverted"), "2", (), POSSIBLE, True),
        (TAKEN_OVER, "2", (), POSSIBLE + timedelta(seconds=1), False),
        (TAKEN_OVER, "2", ("late",), timedelta(0), False),
        (TAKEN_OVER, "3", (), timedelta(0), False),
        (TAKEN_OVER, None, (), timedelta(0), False),
        (replace(TAKEN_OVER, closing_token=4), "2", (), timedelta(0), False),
        (replace(TAKEN_OVER, closing_token=None), "2", (), timedelta(0), False),
        (replace(TAKEN_OVER, outcome="", closing_token=None), "2", (), timedelta(0), False),
    ],
)
def test_a_late_write_is_of_a_move_that_changed_hands_lately(
    intent: AliasIntent, seen: str | None, accounted: Collection[str], later: timedelta, found: bool
) -> None:
    version = None if seen is None else Version(seen)
    answer = find_stale_write([intent], version, accounted, NOON + later)
    assert answer == (intent if found else None)

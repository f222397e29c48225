"""Days whose rows retention has removed: their ids are forgotten, and yet each row counts once.

A file that is replaced is read again whole, with rows of such days. The days are kept in the database, and
saved together with what they speak of: manifest, cursor and days are of one instant, also where a database
was restored, and whatever crashed. They stay when the policy keeps its rows for longer: the rows are gone.
A day that never had a row is not among them, so that a history which comes later is taken in.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import NO_VERSION, MonitorName, SegmentKind

if TYPE_CHECKING:
    from ctrain.domain import PolicyName, Segment
    from ctrain.ports import Transaction

MEMORY = MonitorName("retired days")
DAY = timedelta(days=1)

Stretch = tuple[str, str]
"""The first and the last of days that follow each other, as ISO dates."""


def load_retired(tx: Transaction, policy: PolicyName) -> tuple[Stretch, ...]:
    """Return the days whose rows were removed, in order."""
    found = tx.detector(policy, MEMORY, NO_VERSION) or {"stretches": ()}
    return tuple((first, last) for first, last in found["stretches"])


def add_retired(tx: Transaction, policy: PolicyName, segments: Iterable[Segment]) -> None:
    """Remember the days of the rows among ``segments``, in the transaction that removes them."""
    known = load_retired(tx, policy)
    following = with_days(known, days_of_rows(segments))
    if following != known:
        tx.save_detector(policy, MEMORY, NO_VERSION, {"stretches": [list(one) for one in following]})


def days_of_rows(segments: Iterable[Segment]) -> set[str]:
    """Return the days of which some of ``segments`` hold rows; those that wait for their time have none."""
    return {one.event_date for one in segments if one.kind is SegmentKind.ROWS and not one.is_pending}


def with_days(known: Iterable[Stretch], days: Iterable[str]) -> tuple[Stretch, ...]:
    """Return the stretches with further days, as few as can be.

    >>> with_days([("2013-03-01", "2013-03-02")], ["2013-03-05", "2013-03-03"])
    (('2013-03-01', '2013-03-03'), ('2013-03-05', '2013-03-05'))
    """
    found: list[Stretch] = []
    for first, last in sorted([*known, *((day, day) for day in days)]):
        if found and date.fromisoformat(first) <= date.fromisoformat(found[-1][1]) + DAY:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)

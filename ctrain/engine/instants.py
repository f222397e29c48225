"""Instants counted from 1970 in equal lengths, as panes, days and blocks lie."""

from __future__ import annotations

from datetime import datetime, timedelta

from ctrain.stats.profile import EPOCH

__all__ = ["DAY", "EPOCH", "MICROSECOND", "ceil_to", "floor_to", "pane_ends"]

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


def floor_to(instant: datetime, length: timedelta) -> datetime:
    """The start of the ``length``-long interval (counted from 1970) that holds ``instant``."""
    return instant - (instant - EPOCH) % length


def ceil_to(instant: datetime, length: timedelta) -> datetime:
    """The first multiple of ``length`` (counted from 1970) that is not before ``instant``."""
    floor = floor_to(instant, length)
    return floor if floor == instant else floor + length


def pane_ends(pane: timedelta, first_end: datetime, last_end: datetime) -> list[datetime]:
    """The ends of the panes of a stretch, from the first to the last."""
    return [first_end + pane * index for index in range((last_end - first_end) // pane + 1)]

"""A clock that went back: rows that seem to come from the future are not set aside for its fault."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.errors import TransientError

if TYPE_CHECKING:
    from ctrain.domain import Ingested, IngestState

FUTURE = "future_time"
SHARE_OF_FUTURE = 0.5
"""From this share on it is the clock that is wrong, not single rows."""


def refuse_wrong_clock(state: IngestState, ingested: Ingested, now: datetime) -> None:
    """Raise unless the clock can be right.

    It is wrong when it stands before an instant at which rows have come already, and half of the rows
    that it is read with now seem to lie in the future. They stay unread until it is right.

    Raises
    ------
    TransientError
        naming both instants.
    """
    future = ingested.rejected.get(FUTURE, 0)
    rows = ingested.accepted + ingested.duplicates + sum(ingested.rejected.values())
    came_at = state.last_arrival_at
    if came_at is None or now >= came_at or future == 0 or future < SHARE_OF_FUTURE * rows:
        return
    raise TransientError(
        f"the clock says {now.isoformat(timespec='seconds')}, but rows came at "
        f"{came_at.isoformat(timespec='seconds')} already, and {future} of {rows} new ones seem to lie in "
        "the future: they stay unread until the clock is right"
    )

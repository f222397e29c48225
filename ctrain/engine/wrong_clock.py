"""A clock that went back makes rows look as if from the future: they are not set aside because of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import CLOCK_SKEW, FUTURE
from ctrain.errors import TransientError

if TYPE_CHECKING:
    from ctrain.domain import Ingested, IngestState


def refuse_wrong_clock(state: IngestState, ingested: Ingested, now: datetime) -> None:
    """Raise where rows would be set aside as from the future by a clock that went back.

    A row is taken in up to ``CLOCK_SKEW`` before its event: so the clock has shown the newest event of the
    row log, less that, and when it stands before it now, it is wrong. Rows stay unread until it is right.

    Raises
    ------
    TransientError
        naming both instants.
    """
    future, newest = ingested.rejected.get(FUTURE, 0), state.newest_event_at
    if future == 0 or newest is None or now >= newest - CLOCK_SKEW:
        return
    raise TransientError(
        f"the clock says {now.isoformat(timespec='seconds')}, but rows of "
        f"{newest.isoformat(timespec='seconds')} have come already: {future} new ones that seem to lie in "
        "the future stay unread until the clock is right"
    )

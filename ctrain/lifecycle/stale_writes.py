"""Telling a late write of our own from a change that somebody else made.

A daemon that is stopped between its last look at the alias and its write wakes up when another daemon
has long finished or given up the move. The database refuses all that it does from then on, but the
registry cannot: its one write lands. The move is on record with the fencing token under which it began
and the one under which it ended, and where these differ such a write can come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from ctrain.domain import AliasIntent, Version

POSSIBLE = timedelta(days=1)
"""After that long nobody sleeps in the middle of a write any more: the alias was moved by a person."""


def find_stale_write(
    intents: Iterable[AliasIntent], seen: Version | None, accounted: Collection[str], now: datetime
) -> AliasIntent | None:
    """Return the move whose late write explains that the champion alias names ``seen``; None when none does.

    ``seen`` is not the champion on record. ``accounted`` holds the ids of moves whose late write has
    come: each can come once, because a daemon proves its lease before every write.
    """
    for intent in intents:
        late = bool(intent.outcome) and intent.changed_hands and now - intent.created_at <= POSSIBLE
        if late and intent.new_champion == seen and intent.id not in accounted:
            return intent
    return None

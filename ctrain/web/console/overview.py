"""The first page: every policy in a line, narrowed, sorted and paged as asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ctrain.queries.overview import PolicyLineNow
from ctrain.queries.states import STATES, count_states, states_of, urgency

PAGE = 100
Key = Callable[[PolicyLineNow], Any]


def _newest_first(at: datetime | None) -> float:
    return -at.timestamp() if at is not None else 0.0


SORTS: dict[str, Key] = {
    "health": urgency,
    "name": lambda row: row.policy,
    "champion": lambda row: (_newest_first(row.champion_since_at), row.policy),
    "run": lambda row: (row.run is None, _newest_first(row.run.phase_since if row.run else None)),
    "trigger": lambda row: _newest_first(row.last_trigger.last_seen_at if row.last_trigger else None),
    "rows": lambda row: (row.newest_event_at is not None, -_newest_first(row.newest_event_at)),
}
"""What the policies can be sorted by: the most pressing, the newest or the stalest first."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the policies."""

    rows: tuple[PolicyLineNow, ...]
    found: int
    """How many are left after narrowing."""
    total: int
    page: int
    pages: int
    counts: dict[str, int]
    """How many policies are in each state, whatever is shown."""


def listing(rows: Sequence[PolicyLineNow], text: str, state: str, sort: str, page: int) -> Listing:
    """The page that is asked for; what cannot be asked for is taken as not asked."""
    needle = text.strip().lower()
    kept = [row for row in rows if needle in row.policy.lower()]
    if state in STATES:
        kept = [row for row in kept if state in states_of(row)]
    kept.sort(key=SORTS.get(sort, SORTS["health"]))
    pages = max(-(-len(kept) // PAGE), 1)
    page = min(max(page, 1), pages)
    shown = tuple(kept[(page - 1) * PAGE : page * PAGE])
    return Listing(shown, len(kept), len(rows), page, pages, count_states(rows))

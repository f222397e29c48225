"""Which policies need a person first, and a fleet in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.queries.overview import PolicyLineNow

STATES = (
    "trouble", "unwatched", "breached", "inconclusive", "ok", "running", "approval", "paused", "removed",
)  # fmt: skip
_SEVERITY = {one: place for place, one in enumerate(STATES)}


def states_of(row: PolicyLineNow) -> Iterator[str]:
    """The states of ``STATES`` that a policy is in; one that has no file any more is in no other."""
    if row.removed_at is not None:
        yield "removed"
        return
    yield row.health.value
    if row.unwatched:
        yield "unwatched"
    if row.run is not None:
        yield "running"
    if row.awaits_approval:
        yield "approval"
    if row.paused:
        yield "paused"


def urgency(row: PolicyLineNow) -> tuple[bool, int, str]:
    """Sorts policies: what waits for a person first, then by the worst state, then by name."""
    return not row.awaits_approval, min(_SEVERITY[one] for one in states_of(row)), row.policy


def count_states(rows: Iterable[PolicyLineNow]) -> dict[str, int]:
    """How many policies are in each state."""
    counted = Counter(one for row in rows for one in states_of(row))
    return {one: counted[one] for one in STATES}


def summary_of(counts: Mapping[str, int], total: int) -> str:
    """The fleet in a sentence."""
    wrong = [f"{counts[one]} {one}" for one in ("trouble", "unwatched", "breached") if counts[one]]
    waiting = [f"{counts['approval']} waiting for approval"] if counts["approval"] else []
    told = ", ".join([*wrong, *waiting]) or "nothing needs a person"
    return f"{total} policies: {told}"

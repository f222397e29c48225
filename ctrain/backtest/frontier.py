"""What a search found: quality against cost on the part it saw, and on the rest, which it never saw."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrain.backtest.result import Outcome

TOLERANCE = 0.005
RULE = (
    f"the cheapest within {TOLERANCE:.1%} of the best metric on the searched part, "
    "then the better metric, then the fewer changes"
)


@dataclass(frozen=True, slots=True)
class Score:
    """How good a policy was over a part of history, and what it cost."""

    metric: float
    """Lower is better."""
    train_seconds: float
    retrains: int
    promotions: int
    rollbacks: int
    rows: int

    @classmethod
    def of(cls, outcome: Outcome) -> Score:
        return cls(
            outcome.metric,
            outcome.train_seconds,
            outcome.retrains,
            outcome.promotions,
            outcome.rollbacks,
            outcome.rows,
        )

    def dominates(self, other: Score) -> bool:
        """True when it is nowhere worse, and better in metric or cost."""
        mine, others = (self.metric, self.train_seconds), (other.metric, other.train_seconds)
        return mine != others and mine[0] <= others[0] and mine[1] <= others[1]

    def to_json(self) -> dict[str, float | None]:
        """Null where no row could be judged: JSON has no NaN."""
        return {
            "metric": self.metric if math.isfinite(self.metric) else None,
            "train_seconds": round(self.train_seconds, 3),
            "retrains": self.retrains,
            "promotions": self.promotions,
            "rollbacks": self.rollbacks,
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True)
class Tried:
    """One set of values and what it reached on the searched part; 0 is the policy as it is written."""

    number: int
    changes: Mapping[str, tuple[str, str]]
    """What the file says and what was tried instead, by key."""
    text: str
    search: Score


def frontier(tried: Sequence[Tried]) -> list[Tried]:
    """Return what nothing dominates, the cheapest first; of equals the one with the fewest changes."""
    best: dict[tuple[float, float], Tried] = {}
    for one in sorted(tried, key=lambda one: (len(one.changes), one.number)):
        best.setdefault((one.search.metric, one.search.train_seconds), one)
    kept = [one for one in best.values() if not any(other.search.dominates(one.search) for other in tried)]
    return sorted(kept, key=lambda one: (one.search.train_seconds, one.search.metric))


def pick(tried: Sequence[Tried]) -> Tried:
    """Return what ``RULE`` picks; it looks at the searched part alone."""
    limit = min(one.search.metric for one in tried) * (1 + TOLERANCE)
    near = [one for one in tried if one.search.metric <= limit]
    return min(
        near, key=lambda one: (one.search.train_seconds, one.search.metric, len(one.changes), one.number)
    )


@dataclass(frozen=True, slots=True)
class Tuned:
    """All that a search found."""

    name: str
    path: str
    metric_name: str
    starts_at: datetime
    split_at: datetime
    ends_at: datetime
    trials: int
    """Sets of values that were tried, the policy as written among them."""
    refused: int
    """Sets of values that contradict each other, or with which nothing could be compared."""
    searched: Mapping[str, Sequence[str]]
    untouched: Tried
    frontier: Sequence[Tried]
    picked: Tried
    rest: Mapping[int, Score]
    """Of the frontier and of the policy as it is written, by number."""

    @property
    def shown(self) -> list[Tried]:
        """The frontier, and the policy as it is written before it."""
        return [self.untouched, *(one for one in self.frontier if one.number != self.untouched.number)]

    def stands(self, one: Tried) -> bool:
        """True when on the rest, too, nothing of what is shown dominates it."""
        return not any(other.dominates(self.rest[one.number]) for other in self.rest.values())

    @property
    def difference(self) -> str:
        """Unified, of the policy's file; empty when it stays as it is."""
        lines = difflib.unified_diff(
            self.untouched.text.splitlines(keepends=True),
            self.picked.text.splitlines(keepends=True),
            self.path,
            f"{self.path} (tuned)",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    @property
    def verdict(self) -> str:
        """What the rest says of the pick."""
        if not self.picked.changes:
            return "the policy stays as it is written: no change that was tried is better by the rule"
        before, after = self.rest[self.untouched.number], self.rest[self.picked.number]
        cost = f"{before.train_seconds:.2f} -> {after.train_seconds:.2f} training seconds"
        told = f"on the rest {self.metric_name} {before.metric:.4f} -> {after.metric:.4f}, {cost}"
        if not before.retrains and not after.retrains:
            return f"{told}: neither retrained there, so that the rest cannot tell"
        if after.dominates(before):
            return f"{told}: what the search found holds there"
        if before.dominates(after):
            return f"{told}: worse than the policy as it is written; do not take it"
        if (after.metric, after.train_seconds) == (before.metric, before.train_seconds):
            return f"{told}: no difference there"
        return f"{told}: one is paid for with the other"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "metric": self.metric_name,
            "from": self.starts_at.isoformat(),
            "split": self.split_at.isoformat(),
            "to": self.ends_at.isoformat(),
            "trials": self.trials,
            "refused": self.refused,
            "rule": RULE,
            "searched": {name: list(choices) for name, choices in self.searched.items()},
            "untouched": self._entry(self.untouched),
            "frontier": [self._entry(one) for one in self.frontier],
            "picked": self._entry(self.picked),
            "verdict": self.verdict,
            "difference": self.difference,
        }

    def _entry(self, one: Tried) -> dict[str, Any]:
        return {
            "trial": one.number,
            "changes": {name: {"from": old, "to": new} for name, (old, new) in one.changes.items()},
            "search": one.search.to_json(),
            "rest": self.rest[one.number].to_json(),
            "on_frontier_of_rest": self.stands(one),
        }

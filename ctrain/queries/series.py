"""How a monitor's value went over time, thinned to what a picture can show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.policy.models import Policy
from ctrain.queries.answers import Answer

MOST_POINTS = 240
_OF_THE_CLOCK = frozenset({"freshness", "prometheus"})
_RANK = {Status.BREACHED: 2, Status.OK: 1, Status.INCONCLUSIVE: 0}


@dataclass(frozen=True, slots=True)
class Point(Answer):
    """One verdict without its columns."""

    as_of: datetime
    status: Status
    value: float | None
    threshold: float | None
    n: int


@dataclass(frozen=True, slots=True)
class MonitorSeries(Answer):
    """The verdicts of one monitor, oldest first; ``kind`` is the monitor's type, empty when unknown."""

    monitor: MonitorName
    kind: str
    label: str
    """What its value is: a metric, a test, ``age``..."""
    points: tuple[Point, ...]
    newest: Verdict

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(one.value for one in self.points if one.value is not None)

    @property
    def stands(self) -> bool:
        """Whether the newest verdict holds since then: of the clock's only what is news is put on record."""
        return self.kind in _OF_THE_CLOCK


def series_of(policy: Policy | None, verdicts: Sequence[Verdict], most: int = MOST_POINTS) -> MonitorSeries:
    """The series of one monitor from its verdicts, newest first, of which there is one at least."""
    name = verdicts[0].monitor
    monitor = policy.monitors.get(name) if policy else None
    points = [Point(one.as_of, one.status, one.value, one.threshold, one.n) for one in reversed(verdicts)]
    label = next(
        (str(found) for word in ("metric", "test", "on") if (found := getattr(monitor, word, ""))), ""
    )
    kind = monitor.type if monitor else ""
    return MonitorSeries(name, kind, label, thinned(points, most), verdicts[0])


def thinned(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """At most ``most`` of the points: of neighbours the most telling one; the newest is always there.

    A breach tells more than what is fine, and that more than what is unknown; of equals the last.
    """
    if len(points) <= most:
        return tuple(points)
    inner = points[:-1]
    edges = [len(inner) * index // (most - 1) for index in range(most)]
    chosen = [_most_telling(inner[start:end]) for start, end in pairwise(edges)]
    return (*chosen, points[-1])


def _most_telling(points: Iterable[Point]) -> Point:
    return max(points, key=lambda one: (_RANK[one.status], one.as_of))

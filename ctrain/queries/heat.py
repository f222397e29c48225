"""Which feature drifted when: the largest effect of each feature in each slice of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from ctrain.domain import FeatureVerdict, MonitorName, PolicyName, Verdict
from ctrain.engine.pictures import NOT_TESTED
from ctrain.monitors.classifier_segments import SEGMENT_TEST
from ctrain.queries.answers import Answer

MOST_COLUMNS = 48
MOST_FEATURES = 24
MOST_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Cell(Answer):
    """The worst that was found of a feature in a slice of time."""

    as_of: datetime
    ratio: float
    """Of effect and threshold: what breaches is 1 at least."""
    effect: float
    threshold: float
    breached: bool


@dataclass(frozen=True, slots=True)
class HeatRow(Answer):
    feature: str
    cells: tuple[Cell | None, ...]
    """None where nothing was tested."""

    @property
    def worst(self) -> Cell | None:
        found = [one for one in self.cells if one is not None]
        return max(found, key=lambda one: (one.breached, one.ratio), default=None)

    @property
    def newest(self) -> Cell | None:
        return next((one for one in reversed(self.cells) if one is not None), None)


@dataclass(frozen=True, slots=True)
class HeatMap(Answer):
    """Features by their worst, slices of time from ``start`` on, each ``width`` long."""

    monitor: MonitorName
    test: str
    start: datetime
    width: timedelta
    rows: tuple[HeatRow, ...]
    left_out: int = 0
    """Features that drifted less than those that are shown."""


class HeatMemory:
    """The maps that were drawn last; safe for threads.

    A verdict never changes, so a map holds until the monitor gives its next one.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._maps: dict[tuple[PolicyName, MonitorName], tuple[datetime, HeatMap | None]] = {}
        self._lock = Lock()

    def map(
        self, policy: PolicyName, newest: Verdict, read: Callable[[], Sequence[Verdict]]
    ) -> HeatMap | None:
        """The map of the monitor as of its newest verdict; ``read`` gives its verdicts if need be."""
        key = policy, newest.monitor
        with self._lock:
            known = self._maps.get(key)
        if known is not None and known[0] == newest.as_of:
            return known[1]
        drawn = heat_map(read())
        with self._lock:
            self._maps.pop(key, None)
            self._maps[key] = newest.as_of, drawn
            while len(self._maps) > self._most:
                del self._maps[next(iter(self._maps))]
        return drawn


def heat_map(
    verdicts: Sequence[Verdict], columns: int = MOST_COLUMNS, features: int = MOST_FEATURES
) -> HeatMap | None:
    """The map of one monitor's verdicts, newest first; None where no feature was ever tested."""
    tested = [(one, [each for each in one.features if is_tested(each)]) for one in reversed(verdicts)]
    tested = [(one, found) for one, found in tested if found]
    if not tested:
        return None
    first, last = tested[0][0].as_of, tested[-1][0].as_of
    columns = min(columns, len(tested))
    length = max(last - first, timedelta(seconds=1))
    cells: dict[str, list[Cell | None]] = {}
    for verdict, found in tested:
        column = (verdict.as_of - first) * (columns - 1) // length
        for each in found:
            row = cells.setdefault(each.column, [None] * columns)
            row[column] = _worse(row[column], _cell(verdict.as_of, each))
    rows = [HeatRow(name, tuple(row)) for name, row in cells.items()]
    rows.sort(key=_rank)
    return HeatMap(
        monitor=tested[-1][0].monitor,
        test=tested[-1][1][0].test,
        start=first,
        width=length / max(columns - 1, 1),
        rows=tuple(rows[:features]),
        left_out=max(len(rows) - features, 0),
    )


def is_tested(feature: FeatureVerdict) -> bool:
    """Whether a column of a verdict was compared, and has an effect and a threshold."""
    named = feature.test not in (NOT_TESTED, SEGMENT_TEST)
    return named and math.isfinite(feature.effect) and math.isfinite(feature.threshold)


def _cell(as_of: datetime, feature: FeatureVerdict) -> Cell:
    ratio = feature.effect / feature.threshold if feature.threshold > 0 else 0.0
    return Cell(as_of, ratio, feature.effect, feature.threshold, feature.breached)


def _worse(one: Cell | None, other: Cell) -> Cell:
    if one is None or (other.breached, other.ratio) >= (one.breached, one.ratio):
        return other
    return one


def _rank(row: HeatRow) -> tuple[bool, float, str]:
    worst = row.worst
    return (not worst.breached, -worst.ratio, row.feature) if worst else (True, 0.0, row.feature)

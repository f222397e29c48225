"""How many rows of a stretch of time have a label: a day is counted once, until something comes for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.ports import RowCount

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = timedelta(days=1)


class DayCounts:
    """Counts of whole days by ISO date; ``read`` returns the rows between two instants."""

    def __init__(self, read: Callable[[datetime, datetime], pa.Table]) -> None:
        self._read = read
        self._counts: dict[str, RowCount] = {}

    def forget(self, days: Iterable[str]) -> None:
        for day in days:
            self._counts.pop(day, None)

    def of(self, days: Sequence[str], start: datetime, end: datetime) -> RowCount:
        """Count the rows of ``[start, end)``; ``days`` are those of it that have rows, ascending."""
        counts = [self._whole(day) for day in days[1:-1]]
        counts += [self._edge(day, start, end) for day in {*days[:1], *days[-1:]}]
        return RowCount(sum(one.rows for one in counts), sum(one.labelled for one in counts))

    def _edge(self, day: str, start: datetime, end: datetime) -> RowCount:
        """Count the rows of the first or the last day, of which a part may be meant."""
        begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
        if start <= begin and begin + _DAY <= end:
            return self._whole(day)
        return _count(self._read(max(start, begin), min(end, begin + _DAY)))

    def _whole(self, day: str) -> RowCount:
        found = self._counts.get(day)
        if found is None:
            begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
            found = self._counts[day] = _count(self._read(begin, begin + _DAY))
        return found


def _count(rows: pa.Table) -> RowCount:
    return RowCount(rows.num_rows, rows.num_rows - rows["label"].null_count)

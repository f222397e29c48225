"""The committed segments of one policy, by what they hold and for which day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from ctrain.domain import PENDING, Segment, SegmentKind, Version

_EPOCH = date(1970, 1, 1)
ABSORB_FROM = 8
"""So many segments of about the same size become one."""
CROWDED = 64
"""From so many segments on a day takes in whatever is small, alike or not."""


def day_text(day: int) -> str:
    """Return the ISO date of a number of days since 1970-01-01."""
    return (_EPOCH + timedelta(days=int(day))).isoformat()


def day_number(text: str) -> int:
    return (date.fromisoformat(text) - _EPOCH).days


class Manifest:
    """Which segments exist, in the order of their commit."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._by_id: dict[str, Segment] = {}
        self._by_place: dict[tuple[SegmentKind, str, Version | None], list[Segment]] = {}
        self._days: list[str] | None = None
        """Those that have rows, ascending; None: to be found again."""
        self.add(segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._by_id.values())

    def add(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            if segment.id in self._by_id:
                continue
            self._by_id[segment.id] = segment
            where = (segment.kind, segment.event_date, segment.model_version)
            if segment.kind is SegmentKind.ROWS and where not in self._by_place:
                self._days = None
            place = self._by_place.setdefault(where, [])
            place.append(segment)
            place.sort(key=lambda one: (one.sequence, one.id))

    def remove(self, ids: Iterable[str]) -> list[Segment]:
        """Drop segments; return those that were there."""
        removed = [self._by_id.pop(one) for one in ids if one in self._by_id]
        for segment in removed:
            place = (segment.kind, segment.event_date, segment.model_version)
            self._by_place[place].remove(segment)
            if not self._by_place[place]:
                del self._by_place[place]
                self._days = None
        return removed

    def of(self, kind: SegmentKind, day: str, version: Version | None = None) -> list[Segment]:
        """Return the segments of one kind and day, the earliest first."""
        return list(self._by_place.get((kind, day, version), ()))

    def days(self, first: str, last: str) -> list[str]:
        """Return the days from ``first`` to ``last`` that have rows, ascending."""
        days = self._days_of_rows()
        return days[bisect_left(days, first) : bisect_right(days, last)]

    def days_between(self, start: datetime, end: datetime) -> list[str]:
        """Return the days that have rows and of which a part may lie between two instants, ascending."""
        return self.days(*(one.astimezone(UTC).date().isoformat() for one in (start, end)))

    def newest_days(self, amount: int) -> list[str]:
        """Return the last days that have rows, ascending."""
        return self._days_of_rows()[-amount:]

    def _days_of_rows(self) -> list[str]:
        if self._days is None:
            days = (day for kind, day, _ in self._by_place if kind is SegmentKind.ROWS)
            self._days = sorted(day for day in days if day != PENDING)
        return self._days

    def before(self, day: str) -> list[Segment]:
        """Return the segments of days before ``day``, what is pending by the day of its folder."""
        return [one for one in self._by_id.values() if retires_by(one) < day]

    def absorbable(
        self, kind: SegmentKind, day: str, rows: int, version: Version | None = None
    ) -> list[Segment]:
        """Return the newest segments that a new one of ``rows`` rows takes in, so that few remain.

        Each is at most twice as large as the new one, or as all that comes after the seven with it: a row is
        rewritten a logarithmic number of times.
        """
        newest = self.of(kind, day, version)[::-1]
        taken = 0
        while len(newest) - taken >= ABSORB_FROM - 1:
            alike = newest[taken : taken + ABSORB_FROM - 1]
            if max(one.rows for one in alike) > 2 * rows:
                break
            taken += len(alike)
            rows += sum(one.rows for one in alike)
        if len(newest) >= CROWDED:
            while taken < len(newest) and newest[taken].rows <= 2 * rows:
                rows += newest[taken].rows
                taken += 1
        return newest[:taken][::-1]

    def crowded_scores(self) -> tuple[Version, str] | None:
        """Return a version and day whose scores lie in many segments."""
        for (kind, day, version), segments in self._by_place.items():
            if kind is SegmentKind.SCORES and version is not None and len(segments) >= 2 * ABSORB_FROM:
                return version, day
        return None


def retires_by(segment: Segment) -> str:
    """The day that decides when a segment is too old."""
    if not segment.is_pending:
        return segment.event_date
    return segment.path.split("/")[-2]

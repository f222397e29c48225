"""Values of the columns that monitors look at one by one: which there are, and when each was seen last.

Known from the rows as they arrive, so that it needs no champion: which values count as segments is
settled by the first rows, and does not change with what comes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import Json, MonitorName, Version
from ctrain.engine.matured import EPOCH_START
from ctrain.policy.monitors import FreshnessMonitor, QualityMonitor, VolumeMonitor
from ctrain.stats.segments import NULL, OTHER

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction

FIRST_ROWS = 10_000
"""Rows whose most frequent values are the segments."""
MOST_VALUES = 2_000
"""Values of one column whose last row is known; later ones are seen together."""
MEMORY = MonitorName("seen values")
NO_VERSION = Version("")
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SeenValues:
    """The values of one column: how often among the first rows, and when last, in microseconds."""

    rows: int = 0
    """First rows that have been counted."""
    counts: Mapping[str, int] | None = None
    newest: Mapping[str, int] | None = None
    newest_of_others: int | None = None

    def with_rows(self, table: pa.Table, column: str) -> SeenValues:
        """Return what is known after these rows (with ``event_at``), too."""
        if not table.num_rows:
            return self
        first = table.slice(0, max(FIRST_ROWS - self.rows, 0))
        counts = dict(self.counts or {})
        found: Any = pc.value_counts(_named(first[column]))
        for one in found.to_pylist():
            counts[one["values"]] = counts.get(one["values"], 0) + one["counts"]
        newest, others = dict(self.newest or {}), self.newest_of_others
        named: Any = pa.table([_named(table[column]), table["event_at"]], names=["value", "event_at"])
        last: Any = named.group_by("value").aggregate([("event_at", "max")])
        for value, instant in zip(last["value"].to_pylist(), last["event_at_max"].to_pylist(), strict=True):
            at = (instant - EPOCH_START) // MICROSECOND
            if value in newest or len(newest) < MOST_VALUES:
                newest[value] = max(newest.get(value, at), at)
            else:
                others = at if others is None else max(others, at)
        return replace(
            self,
            rows=self.rows + first.num_rows,
            counts=counts,
            newest=newest,
            newest_of_others=others,
        )

    def most_frequent(self, most: int) -> tuple[str, ...]:
        """Return the values that count as segments, the most frequent first."""
        counts = self.counts or {}
        return tuple(sorted(counts, key=lambda one: (-counts[one], one))[:most])

    def newest_rows(self, most: int) -> dict[str, datetime]:
        """Return when the newest row of each segment happened, and that of all others together."""
        newest, segments = self.newest or {}, self.most_frequent(most)
        instants = {one: newest[one] for one in segments if one in newest}
        rest = [at for value, at in newest.items() if value not in segments]
        rest += [] if self.newest_of_others is None else [self.newest_of_others]
        if rest:
            instants[OTHER] = max(rest)
        return {name: EPOCH_START + at * MICROSECOND for name, at in instants.items()}

    def to_json(self) -> Json:
        return {
            "rows": self.rows,
            "counts": list(map(list, (self.counts or {}).items())),
            "newest": list(map(list, (self.newest or {}).items())),
            "newest_of_others": self.newest_of_others,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> SeenValues:
        return cls(
            found["rows"],
            dict(found["counts"]),
            dict(found["newest"]),
            found["newest_of_others"],
        )


def shown(value: str | None) -> str:
    """The name of a value; that of rows without one is ``null``."""
    return NULL if value is None else value


def _named(column: Any) -> Any:
    return pc.fill_null(column, NULL)


def watched_columns(policy: Policy) -> tuple[str, ...]:
    """Return the columns whose values monitors look at one by one without asking a champion."""
    kinds = (FreshnessMonitor, QualityMonitor, VolumeMonitor)
    found = [one.by for one in policy.monitors.values() if isinstance(one, kinds) and one.by is not None]
    return tuple(dict.fromkeys(found))


def load_seen(tx: Transaction, policy: PolicyName) -> dict[str, SeenValues]:
    """Return what is known of each column."""
    stored = tx.detector(policy, MEMORY, NO_VERSION) or {}
    return {column: SeenValues.from_json(one) for column, one in stored.items()}


def add_seen(tx: Transaction, policy: Policy, name: PolicyName, rows: pa.Table) -> None:
    """Take in the rows of one read, in its transaction."""
    columns = watched_columns(policy)
    if columns and rows.num_rows:
        known = load_seen(tx, name)
        seen = {one: known.get(one, SeenValues()).with_rows(rows, one) for one in columns}
        tx.save_detector(name, MEMORY, NO_VERSION, {key: one.to_json() for key, one in seen.items()})


def newest_rows(watch: Watch, monitor: FreshnessMonitor) -> dict[str, datetime] | None:
    """Return when the newest row of each segment of the monitor happened; None without segments."""
    if monitor.by is None:
        return None
    with watch.store.read() as tx:
        seen = load_seen(tx, watch.name)
    return seen.get(monitor.by, SeenValues()).newest_rows(monitor.max_segments)

"""Values of the columns that monitors look at one by one: which there are, and when each was seen last.

Known from the rows as they arrive, so that it needs no champion. Which values count as segments is
settled by the first rows in the order of their panes: whether a history comes at once or hour by hour,
a pane sees the same segments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ctrain.domain import NO_VERSION, Json, MonitorName
from ctrain.engine.instants import EPOCH, MICROSECOND
from ctrain.policy.monitors import FreshnessMonitor, QualityMonitor, VolumeMonitor
from ctrain.stats.profile import event_microseconds
from ctrain.stats.segments import NULL, OTHER

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction

FIRST_ROWS = 10_000
"""Rows whose most frequent values are the segments; the pane that completes them counts whole."""
MOST_VALUES = 2_000
"""Values of one column whose last row is known; later ones are seen together."""
FIRST, NEWEST = MonitorName("first values"), MonitorName("newest values")


@dataclass(frozen=True, slots=True)
class SeenValues:
    """The values of one column: how often in the first panes with rows, and when each was seen last."""

    pane: timedelta
    first: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """By number of the pane since 1970, ascending."""
    newest: Mapping[str, int] = field(default_factory=dict)
    """In microseconds since 1970."""
    newest_of_others: int | None = None

    def with_rows(self, table: pa.Table, column: str, judged_until: datetime | None = None) -> SeenValues:
        """Return what is known after these rows (with ``event_at``), too; closed panes count no more."""
        if not table.num_rows:
            return self
        values: Any = table[column]
        named: Any = pa.table([values.fill_null(NULL)], names=["value"])
        instants = event_microseconds(table)
        numbers = instants // (self.pane // MICROSECOND)
        closed = -1 if judged_until is None else (judged_until - EPOCH) // self.pane - 1
        wanted = numbers > closed
        if sum(map(_rows, self.first.values())) >= FIRST_ROWS:
            wanted &= numbers <= max(self.first)
        counted = named.append_column("pane", pa.array(numbers)).filter(pa.array(wanted))
        last = named.append_column("at", pa.array(instants)).group_by("value").aggregate([("at", "max")])
        pairs = zip(last["value"].to_pylist(), last["at_max"].to_pylist(), strict=True)
        newest, others = _newest(self.newest, self.newest_of_others, dict(pairs))
        return SeenValues(self.pane, _first(self.first, counted), newest, others)

    def most_frequent(self, most: int, until: datetime | None = None) -> tuple[str, ...]:
        """Return the values that count as segments in panes from ``until`` on, the most frequent first."""
        end = np.inf if until is None else (until - EPOCH) // self.pane
        counts: Counter[str] = Counter()
        for number, amounts in self.first.items():
            if number < end:
                counts.update(amounts)
        return tuple(sorted(counts, key=lambda one: (-counts[one], one))[:most])

    def newest_rows(self, most: int) -> dict[str, datetime]:
        """Return when the newest row of each segment happened, and that of all others together."""
        segments = self.most_frequent(most)
        instants = {one: self.newest[one] for one in segments if one in self.newest}
        rest = [at for value, at in self.newest.items() if value not in segments]
        rest += [] if self.newest_of_others is None else [self.newest_of_others]
        if rest:
            instants[OTHER] = max(rest)
        return {name: EPOCH + at * MICROSECOND for name, at in instants.items()}

    def first_json(self) -> Json:
        panes = {str(number): dict(amounts) for number, amounts in self.first.items()}
        return {"pane_seconds": self.pane.total_seconds(), "panes": panes}

    def newest_json(self) -> Json:
        return {"values": dict(self.newest), "others": self.newest_of_others}

    @classmethod
    def from_json(cls, pane: timedelta, first: Json | None, newest: Json | None) -> SeenValues:
        """Panes of another length are counted anew."""
        fits = first is not None and first["pane_seconds"] == pane.total_seconds()
        panes = {int(number): amounts for number, amounts in first["panes"].items()} if first and fits else {}
        newest = newest or {"values": {}, "others": None}
        return cls(pane, dict(sorted(panes.items())), newest["values"], newest["others"])


def _rows(amounts: Mapping[str, int]) -> int:
    return sum(amounts.values())


def _first(known: Mapping[int, Mapping[str, int]], rows: Any) -> dict[int, Mapping[str, int]]:
    """The panes together with these rows, up to the one by which there are enough."""
    found = rows.group_by(["pane", "value"]).aggregate([([], "count_all")])
    panes = {number: Counter(amounts) for number, amounts in known.items()}
    for one in found.to_pylist():
        panes.setdefault(one["pane"], Counter())[one["value"]] += one["count_all"]
    kept: dict[int, Mapping[str, int]] = {}
    total = 0
    for number in sorted(panes):
        if total >= FIRST_ROWS:
            break
        kept[number] = dict(panes[number])
        total += _rows(panes[number])
    return kept


def _newest(
    known: Mapping[str, int], others: int | None, news: Mapping[str, int]
) -> tuple[dict[str, int], int | None]:
    newest = dict(known)
    for value, at in sorted(news.items()):
        if value in newest or len(newest) < MOST_VALUES:
            newest[value] = max(newest.get(value, at), at)
        else:
            others = at if others is None else max(others, at)
    return newest, others


def shown(value: str | None) -> str:
    """The name of a value; that of rows without one is ``null``."""
    return NULL if value is None else value


def watched_columns(policy: Policy) -> tuple[str, ...]:
    """Return the columns whose values monitors look at one by one without asking a champion."""
    kinds = (FreshnessMonitor, QualityMonitor, VolumeMonitor)
    found = [one.by for one in policy.monitors.values() if isinstance(one, kinds) and one.by is not None]
    return tuple(dict.fromkeys(found))


def load_seen(tx: Transaction, name: PolicyName, policy: Policy) -> dict[str, SeenValues]:
    """Return what is known of each column."""
    first = tx.detector(name, FIRST, NO_VERSION) or {}
    newest = tx.detector(name, NEWEST, NO_VERSION) or {}
    return {
        column: SeenValues.from_json(policy.data.pane, first.get(column), newest.get(column))
        for column in watched_columns(policy)
    }


def add_seen(
    tx: Transaction, policy: Policy, name: PolicyName, rows: pa.Table, judged_until: datetime | None
) -> None:
    """Take in the rows of one read, in its transaction."""
    known = load_seen(tx, name, policy)
    if not known or not rows.num_rows:
        return
    seen = {column: one.with_rows(rows, column, judged_until) for column, one in known.items()}
    tx.save_detector(name, NEWEST, NO_VERSION, {column: one.newest_json() for column, one in seen.items()})
    if any(one.first != known[column].first for column, one in seen.items()):
        tx.save_detector(name, FIRST, NO_VERSION, {column: one.first_json() for column, one in seen.items()})

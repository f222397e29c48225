"""How the rows of each pane arrived: repeated ids, values of a wrong type or range, columns that come and go.

Counted when rows are read and committed with the cursor, so that every row counts once, whatever
crashes. A row belongs to the pane of its event. What comes for a pane that has been judged is counted
apart: its verdict stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.engine.instants import EPOCH, MICROSECOND
from ctrain.engine.nested_counts import merged_counts, put
from ctrain.engine.seen_values import load_seen
from ctrain.engine.segment_arrivals import Kept, bounded, columns_counted, count_by_value, values_kept
from ctrain.engine.window_sums import WindowSums
from ctrain.policy.monitors import Between, QualityMonitor
from ctrain.stats.profile import event_microseconds

if TYPE_CHECKING:
    from ctrain.domain import Arrived, PolicyName
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction

READ_AT_ONCE = timedelta(days=1)

Counts = npt.NDArray[np.int64]


def watches_quality(policy: Policy) -> bool:
    """True when anything asks for these counts."""
    return any(isinstance(one, QualityMonitor) for one in policy.monitors.values())


def range_name(between: Between) -> str:
    """The name under which values outside a range are counted: another range counts anew."""
    return f"{between.min}..{between.max}"


def add_arrived(
    tx: Transaction, policy: Policy, name: PolicyName, arrived: Arrived, judged_until: datetime | None
) -> None:
    """Take in the rows of one read, in its transaction, after their values have been seen."""
    if not watches_quality(policy):
        return
    kept = values_kept(policy, load_seen(tx, name, policy)) if columns_counted(policy) else {}
    news = count_arrived(policy, arrived, judged_until, kept)
    if news:
        known = tx.arrivals(name, min(news), max(news) + policy.data.pane)
        tx.save_arrivals(name, added_to(known, news, kept))


def count_arrived(
    policy: Policy, arrived: Arrived, judged_until: datetime | None, kept: Mapping[str, Kept] | None = None
) -> dict[datetime, dict[str, Any]]:
    """Return the counts of one read by the start of their pane; what is 0 is left out.

    ``rows``, ``duplicates``; by feature ``nulls``, ``wrong`` and ``absent``; by feature and range
    ``outside``; the names of ``new_columns``; ``by`` each column of ``kept`` what is wrong with the rows
    of its values; ``late`` with the first two of panes that are closed. A new column whose first row is
    late or known shows in the first open pane to which rows came.

    ``judged_until`` is the watermark before the read: panes that end there or before it are closed.
    """
    length = policy.data.pane // MICROSECOND
    closed = -1 if judged_until is None else (judged_until - EPOCH) // MICROSECOND // length - 1
    counts: dict[int, dict[str, Any]] = {}
    of_rows = _instants(arrived) // length
    panes, of_row = np.unique(of_rows, return_inverse=True)
    _tell(counts, panes, np.bincount(of_row, minlength=len(panes)), "rows")
    for path, mask in _marks(policy, arrived):
        _tell(counts, panes, np.bincount(of_row[mask], minlength=len(panes)), *path)
    of_repeated = np.asarray(arrived.repeated_at, dtype=np.int64) // length
    _tell(counts, *np.unique(of_repeated, return_counts=True), "duplicates")
    for name, instant in arrived.new_columns.items():
        shown = _shown_in(max(instant // length, closed + 1), of_rows, of_repeated)
        counts.setdefault(shown, {}).setdefault("new_columns", []).append(name)
    for column, one in (kept or {}).items():
        for pane, part in count_by_value(arrived, column, of_rows, of_repeated, one).items():
            counts.setdefault(pane, {}).setdefault("by", {})[column] = part
    return {
        EPOCH + policy.data.pane * pane: _late(one) if pane <= closed else one
        for pane, one in sorted(counts.items())
        if one
    }


def _shown_in(first: int, *panes: Counts) -> int:
    """The first of ``panes`` from ``first`` on: where rows came. A new column is told only once."""
    found = np.concatenate(panes)
    open_ones = found[found >= first]
    return int(open_ones.min()) if len(open_ones) else first


def _instants(arrived: Arrived) -> Counts:
    return event_microseconds(arrived.rows)


def _tell(counts: dict[int, dict[str, Any]], panes: Counts, amounts: Counts, *path: str) -> None:
    """Put the amounts that are not 0 under ``path`` of their pane's counts."""
    for place in np.flatnonzero(amounts):
        put(counts.setdefault(int(panes[place]), {}), path, int(amounts[place]))


def _late(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {"late": {key: counts[key] for key in ("rows", "duplicates") if key in counts}}


def _marks(policy: Policy, arrived: Arrived) -> Iterator[tuple[tuple[str, ...], npt.NDArray[np.bool_]]]:
    """What is counted of the accepted rows: under which names (kind, feature, range), and which rows."""
    rows = arrived.rows
    for name in policy.data.features.names:
        column = rows[name]
        if column.null_count:
            yield ("nulls", name), np.asarray(column.is_null().to_numpy(), dtype=np.bool_)
    for name, mask in arrived.wrong.items():
        yield ("wrong", name), mask
    for name, mask in arrived.absent.items():
        yield ("absent", name), mask
    for name, between in _ranges(policy):
        yield ("outside", name, range_name(between)), outside(rows[name], between)


def _ranges(policy: Policy) -> Iterator[tuple[str, Between]]:
    found: dict[tuple[str, str], Between] = {}
    for monitor in policy.monitors.values():
        if isinstance(monitor, QualityMonitor):
            found |= {(name, range_name(one)): one for name, one in monitor.ranges.items()}
    yield from ((name, between) for (name, _), between in found.items())


def outside(column: Any, between: Between) -> npt.NDArray[np.bool_]:
    """Which values of a numeric column lie outside; a missing one does not."""
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    found = np.zeros(len(values), dtype=np.bool_)
    if between.min is not None:
        found |= values < between.min
    if between.max is not None:
        found |= values > between.max
    return found


class PaneArrivals:
    """The counts of closed panes, as far as windows reach."""

    def __init__(self, pane: timedelta) -> None:
        self.pane = pane
        self._sums: WindowSums[Json] = WindowSums(lambda one, other: merged_counts([one, other]))

    def load(self, tx: Transaction, policy: PolicyName, start: datetime, end: datetime) -> None:
        """Have the panes of ``[start, end)``, and forget those before; what came late changes nothing."""
        missing = self._sums.missing(self._number(start), self._number(end))
        step = max(READ_AT_ONCE // self.pane, 1)
        for first in missing[::step]:
            last = min(first + step, missing.stop)
            stored = tx.arrivals(policy, EPOCH + self.pane * first, EPOCH + self.pane * last)
            panes = [(self._number(one), _of_all_rows(counts)) for one, counts in stored.items()]
            self._sums.put(panes, last)

    def window(self, start: datetime, end: datetime) -> Json:
        """The counts of ``[start, end)``, which has been loaded."""
        return self._sums.total(self._number(start), self._number(end)) or {}

    def _number(self, instant: datetime) -> int:
        return (instant - EPOCH) // self.pane


def _of_all_rows(counts: Json) -> Json:
    """Without what came late, and without segments."""
    return {key: part for key, part in counts.items() if key not in ("late", "by")}


def added_to(
    known: Mapping[datetime, Json], news: Mapping[datetime, Json], kept: Mapping[str, Kept] | None = None
) -> dict[datetime, dict[str, Any]]:
    """Return the counts of the panes of ``news``, together with what was known of them."""
    whole = {start: merged_counts([known.get(start, {}), one]) for start, one in news.items()}
    for counts in whole.values():
        for column, one in (kept or {}).items():
            if column in counts.get("by", {}):
                counts["by"][column] = bounded(counts["by"][column], one)
    return whole

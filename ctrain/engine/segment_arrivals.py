"""How the rows of each pane arrived, by the value of a column: who sends what cannot be read?

The row log holds values as they were cast, and no repeated rows: whose rows were wrong is known on
arrival only. A column may have a million values, so that a pane keeps a bounded number of them apart:
those that are frequent in the first rows, then those with the most that is wrong. The others are
counted together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import Json
from ctrain.engine.nested_counts import merged_counts, put, total
from ctrain.policy.monitors import QualityMonitor
from ctrain.stats.segments import NULL

if TYPE_CHECKING:
    from ctrain.domain import Arrived
    from ctrain.engine.seen_values import SeenValues
    from ctrain.policy.models import Policy

FEWEST_KEPT = 200
"""Values that a pane keeps apart; more where a monitor has many segments."""

Counts = npt.NDArray[np.int64]
Path = tuple[str, ...]
"""Kind of count, and the feature where it has one."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many values of a column a pane keeps apart, and which of them first."""

    most: int = FEWEST_KEPT
    first: Sequence[str] = ()


def asks_of_arrival(monitor: QualityMonitor) -> bool:
    """True when a check goes by what is known on arrival only."""
    limits = (monitor.max_type_errors, monitor.max_duplicates)
    return monitor.schema_ == "breach" or any(one is not None for one in limits)


def columns_counted(policy: Policy) -> dict[str, int]:
    """Columns by whose values is counted how rows arrive, with the most segments that are asked of them."""
    found: dict[str, int] = {}
    for one in policy.monitors.values():
        if isinstance(one, QualityMonitor) and one.by is not None and asks_of_arrival(one):
            found[one.by] = max(found.get(one.by, 0), one.max_segments)
    return found


def values_kept(policy: Policy, seen: Mapping[str, SeenValues]) -> dict[str, Kept]:
    """What a pane keeps apart of each column, given the values of the first rows."""
    return {
        column: Kept(max(FEWEST_KEPT, 2 * most), seen[column].most_frequent(most))
        for column, most in columns_counted(policy).items()
    }


def count_by_value(
    arrived: Arrived, column: str, panes: Counts, repeated: Counts, kept: Kept
) -> dict[int, dict[str, Any]]:
    """Return the counts of one read by the number of their pane; what is 0 is left out.

    ``rows`` that were looked at; ``values``: by value ``wrong`` and ``absent`` by feature, and
    ``duplicates``; ``rest``: the same of the other values together.

    ``panes`` and ``repeated`` are the numbers of the panes of accepted and of dropped rows.
    """
    numbers, rows = np.unique(panes, return_counts=True)
    counts: dict[int, dict[str, Any]] = {
        int(one): {"rows": int(amount)} for one, amount in zip(numbers, rows, strict=True)
    }
    marks = list(_marks(arrived, len(panes), len(repeated)))
    if not marks:
        return counts
    values, codes = _values(arrived, column)
    found, of_pane = np.unique(np.concatenate([panes, repeated]), return_inverse=True)
    pairs, of_row = np.unique(of_pane * len(values) + codes, return_inverse=True)
    pane, value = np.divmod(pairs, len(values))
    amounts = [(path, np.bincount(of_row[where], minlength=len(pairs))) for path, where in marks]
    apart = _apart(pane, value, np.sum([one for _, one in amounts], axis=0), values, kept)
    for path, amount in amounts:
        for place in np.flatnonzero(amount * apart):
            here = ("values", values[int(value[place])].as_py(), *path)
            put(counts.setdefault(int(found[pane[place]]), {}), here, int(amount[place]))
        others = np.bincount(pane[~apart], weights=amount[~apart], minlength=len(found))
        for place in np.flatnonzero(others):
            put(counts.setdefault(int(found[place]), {}), ("rest", *path), int(others[place]))
    return counts


def _marks(arrived: Arrived, rows: int, repeated: int) -> Iterator[tuple[Path, Counts]]:
    """What is counted, and its places among the accepted rows, with the dropped ones behind them."""
    for kind, marks in (("wrong", arrived.wrong), ("absent", arrived.absent)):
        for name, mask in marks.items():
            if mask.any():
                yield (kind, name), np.flatnonzero(mask)
    if repeated:
        yield ("duplicates",), np.arange(rows, rows + repeated)


def _values(arrived: Arrived, column: str) -> tuple[Any, Counts]:
    """The values of a column, and which of them each accepted and then each dropped row has."""
    chunks = list(arrived.rows[column].chunks)
    if arrived.received is not None and arrived.repeated is not None:
        chunks += arrived.received[column].filter(pa.array(arrived.repeated)).chunks
    named: Any = pc.fill_null(pa.chunked_array(chunks, pa.string()), pa.scalar(NULL))
    encoded: Any = named.combine_chunks().dictionary_encode()
    return encoded.dictionary, np.asarray(encoded.indices.to_numpy(), dtype=np.int64)


def _apart(pane: Counts, value: Counts, amounts: Counts, values: Any, kept: Kept) -> npt.NDArray[np.bool_]:
    """Which pairs of a pane and a value are kept apart."""
    known: Any = pc.is_in(values, value_set=pa.array(kept.first, pa.string()))
    first = np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.bool_)[value] & (amounts > 0)
    ranked = np.lexsort((-amounts, ~first, pane))
    rank = np.arange(len(pane)) - np.searchsorted(pane[ranked], pane[ranked])
    apart = np.zeros(len(pane), dtype=np.bool_)
    apart[ranked] = rank < kept.most
    return apart


def bounded(counts: Json, kept: Kept) -> Json:
    """Return the counts of a pane by the values of a column, with no more values than are kept apart."""
    values = counts.get("values", {})
    if len(values) <= kept.most:
        return counts
    first = set(kept.first)
    ranked = sorted(values, key=lambda one: (one not in first, -total(values[one]), one))
    rest = merged_counts([counts.get("rest", {}), *(values[one] for one in ranked[kept.most :])])
    return {**counts, "values": {one: values[one] for one in ranked[: kept.most]}, "rest": rest}


def amounts_by_segment(counts: Json, values: Sequence[str]) -> dict[tuple[str, str], Counts]:
    """Return the counts of a pane by segment, the rows that belong to none of ``values`` at the end.

    >>> counts = {"values": {"AA": {"duplicates": 2}, "ZZ": {"duplicates": 1}}, "rest": {"duplicates": 3}}
    >>> amounts_by_segment(counts, ["UA", "AA"])
    {('duplicates', ''): array([0, 2, 4])}
    """
    places = {value: place for place, value in enumerate(values)}
    others = len(values)
    found: dict[tuple[str, str], Counts] = {}
    parts = [(places.get(value, others), one) for value, one in counts.get("values", {}).items()]
    for place, part in [*parts, (others, counts.get("rest", {}))]:
        for kind, amounts in part.items():
            for feature, amount in amounts.items() if isinstance(amounts, Mapping) else [("", amounts)]:
                of_kind = found.setdefault((kind, feature), np.zeros(others + 1, dtype=np.int64))
                of_kind[place] += amount
    return found

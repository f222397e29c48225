"""What a picture shows of one column: values or categories of the reference and of the window."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.stats.columns import numeric_values, text_values
from ctrain.stats.free_text import TextStatistic, measure_text

if TYPE_CHECKING:
    import pyarrow as pa

SEGMENT = re.compile(r"(?P<column>.*) \[(?P<by>[^=\]]+)=(?P<value>.*)\]")
OTHER = "other"
FEWEST_BINS, BINS = 8, 40
MOST_BARS = 8
CENTRAL = (0.005, 0.995)
"""Quantiles of both samples that the axis spans; what lies beyond is counted in the outermost bins."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Shares of rows by bin (``edges`` of numbers) or by category (``names``)."""

    column: str
    reference: Floats
    current: Floats
    reference_rows: int
    current_rows: int
    reference_nulls: float
    current_nulls: float
    edges: Floats | None = None
    is_date: bool = False
    """Numbers are days since 1970-01-01."""
    names: tuple[str, ...] = ()


def panel(column: str, kinds: Mapping[str, str], reference: pa.Table, current: pa.Table) -> Panel | None:
    """The panel of a column of a verdict, which may be of one segment; None where there is nothing to show.

    ``kinds`` maps features to their kinds; a statistic of free text is called ``FEATURE.STATISTIC``.
    """
    found = SEGMENT.fullmatch(column)
    name = found["column"] if found else column
    if found:
        if found["value"] == OTHER:
            return None
        reference, current = (_segment(one, found["by"], found["value"]) for one in (reference, current))
    feature, _, statistic = name.rpartition(".")
    if kinds.get(feature) == "text" and statistic in set(TextStatistic):
        measured = [_measured(one, feature, TextStatistic(statistic)) for one in (reference, current)]
        return _of_numbers(column, *measured)
    if min(reference.num_rows, current.num_rows) == 0 or name not in kinds or kinds[name] == "text":
        return None
    if kinds[name] in ("categorical", "boolean"):
        return _of_categories(column, *(_names(one, name, kinds[name]) for one in (reference, current)))
    shown = _of_numbers(column, numeric_values(reference, name), numeric_values(current, name))
    return replace(shown, is_date=kinds[name] == "date") if shown is not None else None


def _names(table: pa.Table, column: str, kind: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "categorical":
        return text_values(table, column)
    return pc.cast(pc.cast(table[column], pa.bool_()), pa.string())


def first_pair(columns: Sequence[str]) -> tuple[str, ...]:
    """The first column and the next one of the same segment, as far as there are any.

    >>> first_pair(["x [kind=a]", "x [kind=b]", "z [kind=a]"])
    ('x [kind=a]', 'z [kind=a]')
    """
    found = [SEGMENT.fullmatch(one) for one in columns]
    segments = [one.group("by", "value") if one else None for one in found]
    alike = [column for column, one in zip(columns, segments, strict=True) if one == segments[0]]
    return tuple(alike[:2])


def pair(columns: Sequence[str], kinds: Mapping[str, str], table: pa.Table) -> Floats | None:
    """Rows of ``columns``, which may be of one segment, that both are known of; None unless two numbers."""
    found = [SEGMENT.fullmatch(one) for one in columns]
    names = [one["column"] if one else column for one, column in zip(found, columns, strict=True)]
    if len(names) != 2 or any(kinds.get(name) != "numeric" for name in names):
        return None
    if found[0]:
        if found[0]["value"] == OTHER:
            return None
        table = _segment(table, found[0]["by"], found[0]["value"])
    points = np.column_stack([numeric_values(table, name) for name in names])
    known = points[np.isfinite(points).all(axis=1)]
    return known if len(known) else None


def _segment(table: pa.Table, by: str, value: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if by not in table.column_names:
        return table.slice(0, 0)
    values = text_values(table, by)
    if value == "null":
        return table.filter(pc.is_null(values))
    return table.filter(pc.is_in(values, value_set=pa.array([value])))


def _measured(table: pa.Table, feature: str, statistic: TextStatistic) -> Floats:
    return measure_text(text_values(table, feature), statistic)


def _of_numbers(column: str, reference: Floats, current: Floats) -> Panel | None:
    before, now = reference[np.isfinite(reference)], current[np.isfinite(current)]
    together = np.concatenate([before, now])
    if not len(together):
        return None
    edges = _edges(together, min(len(before), len(now)))
    return Panel(
        column,
        _shares(np.clip(before, edges[0], edges[-1]), edges),
        _shares(np.clip(now, edges[0], edges[-1]), edges),
        len(reference),
        len(current),
        float(np.isnan(reference).mean()) if len(reference) else 0.0,
        float(np.isnan(current).mean()) if len(current) else 0.0,
        edges=edges,
    )


def _edges(values: Floats, fewest: int) -> Floats:
    """Bins over the central range, as many as the smaller sample fills; a few whole numbers have one each."""
    low, high = np.quantile(values, CENTRAL)
    whole = np.array_equal(values, np.round(values))
    if whole and high - low < BINS:
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1)
    if low == high:
        low, high = low - 0.5, high + 0.5
    bins = int(np.clip(np.sqrt(fewest), FEWEST_BINS, BINS))
    return np.linspace(low, high, bins + 1)


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.histogram(values, edges)[0].astype(np.float64)
    return counts / max(len(values), 1)


def _of_categories(column: str, reference: Any, current: Any) -> Panel | None:
    import pyarrow.compute as pc

    counts = [_counted(pc.drop_null(one)) for one in (reference, current)]
    totals = [max(sum(one.values()), 1) for one in counts]
    names = sorted(
        {*counts[0], *counts[1]},
        key=lambda name: (-max(one.get(name, 0) / n for one, n in zip(counts, totals, strict=True)), name),
    )
    if not names:
        return None
    shown, rest = names[:MOST_BARS], names[MOST_BARS:]
    shares = [
        np.array([one.get(name, 0) for name in shown] + [sum(one.get(name, 0) for name in rest)]) / n
        for one, n in zip(counts, totals, strict=True)
    ]
    kept = slice(None) if rest else slice(len(shown))
    return Panel(
        column,
        shares[0][kept],
        shares[1][kept],
        len(reference),
        len(current),
        reference.null_count / max(len(reference), 1),
        current.null_count / max(len(current), 1),
        names=(*shown, f"{len(rest)} more") if rest else tuple(shown),
    )


def _counted(values: Any) -> dict[str, int]:
    import pyarrow.compute as pc

    found = pc.value_counts(values)
    counts = (int(one) for one in found.field("counts").to_numpy())
    return dict(zip((str(one) for one in found.field("values").to_pylist()), counts, strict=True))

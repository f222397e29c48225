"""References: what a champion was trained on, and how much that varied within itself.

A reference keeps the counts of every pane of its own time range beside those of the whole: they tell
how much a window may differ from it without having drifted. The rows of each segment make a reference
of their own, and so do the scores, whose rows are others than those of the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ctrain.stats.catalogue import TwoSampleTest
from ctrain.stats.counting import MICROSECOND, Groups, count_groups
from ctrain.stats.grid import ColumnGrid, Counts, Grid, build_grid
from ctrain.stats.lattice import Scratch
from ctrain.stats.packing import pack, unpack
from ctrain.stats.profile import EPOCH, Profile, event_microseconds, profile_table
from ctrain.stats.screening import leave_out
from ctrain.stats.segments import frequent_values, rows_of_segment, segment_label
from ctrain.stats.variability import PaneCounts, Variability, spans_of, variability_within

__all__ = ["PREDICTION", "Reference", "Variability", "build_reference"]

PREDICTION = "prediction"
"""Column of the champion's scores."""
_KIND = b"ctrain-reference-2\n"


@dataclass(frozen=True, eq=False)
class Reference:
    """Grid, profile of the whole, counts by pane, and the columns that drift tests leave out."""

    grid: Grid
    profile: Profile
    pane: timedelta
    starts: Counts
    """Start of each pane that has rows, in microseconds since 1970 UTC, ascending."""
    pane_rows: Counts
    panes: Mapping[str, PaneCounts]
    """By column; without the scores."""
    left_out: Mapping[str, str]
    importance: Mapping[str, float] = field(default_factory=dict)
    """Share of each feature in the importance of all of them; empty: not known."""
    segments: Mapping[str, tuple[Reference, ...]] = field(default_factory=dict)
    """By column: its most frequent values, the most frequent first, and the others together at the end."""
    scores: Reference | None = None
    """The scores alone, of rows that the champion was not trained on."""
    _variability: dict[tuple[timedelta, int, TwoSampleTest], Variability] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "profile", self.profile.narrowed())

    @property
    def start(self) -> datetime | None:
        return self._instant(int(self.starts[0])) if len(self.starts) else None

    @property
    def end(self) -> datetime | None:
        return self._instant(int(self.starts[-1])) + self.pane if len(self.starts) else None

    @property
    def segment(self) -> str:
        """Which rows these are, such as ``carrier=AA``; empty: all of them."""
        return segment_label(self.grid.where)

    def _instant(self, microseconds: int) -> datetime:
        return EPOCH + microseconds * MICROSECOND

    def rows_of(self, table: pa.Table, segment: Reference) -> pa.Table:
        """Return the rows of ``table`` that belong to one of the segments of this reference."""
        if segment.grid.where is None:
            return table
        by, value = segment.grid.where
        others = [one.grid.where for one in self.segments[by]]
        named = [where[1] for where in others if where is not None and where[1] is not None]
        return rows_of_segment(table, by, value, named)

    def variability(self, window: timedelta, min_rows: int = 1, test: TwoSampleTest = "ks") -> Variability:
        """Return the largest effect of each column between a window inside the reference and its rest.

        Windows end at every pane (at most 1,000 of them, evenly spaced), are ``window`` long, and grow
        back in time until they have ``min_rows`` rows, as the windows of a drift monitor do. Computed
        once for the same arguments.
        """
        key = (window, min_rows, test)
        if key not in self._variability:
            spans = spans_of(self.starts, self.pane_rows, self.pane, window, min_rows)
            found = variability_within(self.grid, self.profile, self.panes, self.pane_rows, spans, test)
            if self.scores is not None:
                found = found.with_columns(self.scores.variability(window, min_rows, test))
            self._variability[key] = found
        return self._variability[key]

    def to_bytes(self) -> bytes:
        """Return a compact versioned form."""
        nested = {by: len(parts) for by, parts in self.segments.items()}
        header: dict[str, Any] = {
            "grid": self.grid.to_json(),
            "pane_microseconds": self.pane // MICROSECOND,
            "columns": list(self.panes),
            "left_out": dict(self.left_out),
            "start": int(self.starts[0]) if len(self.starts) else 0,
            "importance": dict(self.importance),
            "segments": nested,
            "scores": self.scores is not None,
        }
        arrays = [self.starts - header["start"], self.pane_rows, _as_numbers(self.profile.to_bytes())]
        for panes in self.panes.values():
            arrays += [panes.nulls, np.diff(panes.bounds), panes.cells, panes.counts]
        arrays += [_as_numbers(one.to_bytes()) for parts in self.segments.values() for one in parts]
        if self.scores is not None:
            arrays.append(_as_numbers(self.scores.to_bytes()))
        return pack(_KIND, header, arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> Reference:
        """Return the reference that ``to_bytes`` wrote; raises ValueError for anything else."""
        header, arrays = unpack(_KIND, content)
        remaining = iter(arrays)
        starts, pane_rows, profile = next(remaining), next(remaining), next(remaining)
        panes = {column: _pane_counts(remaining) for column in header["columns"]}
        segments = {
            by: tuple(cls.from_bytes(_as_bytes(next(remaining))) for _ in range(number))
            for by, number in header["segments"].items()
        }
        return cls(
            grid=Grid.from_json(header["grid"]),
            profile=Profile.from_bytes(_as_bytes(profile)),
            pane=header["pane_microseconds"] * MICROSECOND,
            starts=starts + header["start"],
            pane_rows=pane_rows,
            panes=panes,
            left_out=header["left_out"],
            importance=header["importance"],
            segments=segments,
            scores=cls.from_bytes(_as_bytes(next(remaining))) if header["scores"] else None,
        )


def _as_numbers(content: bytes) -> NDArray[np.int64]:
    return np.frombuffer(content, dtype=np.uint8).astype(np.int64)


def _as_bytes(numbers: NDArray[np.int64]) -> bytes:
    return numbers.astype(np.uint8).tobytes()


def _pane_counts(arrays: Iterator[NDArray[np.int64]]) -> PaneCounts:
    nulls, sizes, cells, counts = (next(arrays) for _ in range(4))
    return PaneCounts(nulls, np.concatenate([[0], np.cumsum(sizes)]), cells, counts)


def build_reference(
    table: pa.Table,
    numeric: Sequence[str],
    categorical: Sequence[str],
    pane: timedelta,
    *,
    boolean: Sequence[str] = (),
    date: Sequence[str] = (),
    text: Sequence[str] = (),
    segments: Mapping[str, int] | None = None,
    prediction: pa.Table | None = None,
    importance: Mapping[str, float] | None = None,
) -> Reference:
    """Return the reference that the rows of ``table`` (with ``event_at``) make.

    Parameters
    ----------
    segments
        Columns whose values make segments, with the largest number of values of each.
    prediction
        ``event_at`` and ``prediction`` of rows that the champion was not trained on: the column
        ``prediction`` of the reference.
    importance
        Importance of features; kept as shares, negative ones as 0.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(24)]
    >>> rows = pa.table({"event_at": at, "x": [0.0, 1.0] * 12})
    >>> reference = build_reference(rows, ["x"], [], timedelta(hours=1))
    >>> reference.variability(timedelta(hours=4)).effects
    {'x': 0.0}
    >>> reference.variability(timedelta(hours=1)).effects
    {'x': 0.5217391304347826}
    """
    of_table = _Columns(numeric, categorical, boolean, date, text)
    scores = None if prediction is None else _plain(prediction, _scores_of(prediction), pane)
    whole = _plain(table, of_table, pane, scores)
    parts = {
        by: tuple(_segments(table, of_table, pane, by, most, whole.left_out))
        for by, most in (segments or {}).items()
    }
    return Reference(
        grid=whole.grid,
        profile=whole.profile,
        pane=pane,
        starts=whole.starts,
        pane_rows=whole.pane_rows,
        panes=whole.panes,
        left_out=whole.left_out,
        importance=_shares(importance or {}),
        segments=parts,
        scores=scores,
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns by how they are read."""

    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    boolean: Sequence[str] = ()
    date: Sequence[str] = ()
    text: Sequence[str] = ()

    def grid(self, table: pa.Table, pane: timedelta, where: tuple[str, str | None] | None) -> Grid:
        return build_grid(
            table,
            self.numeric,
            self.categorical,
            pane=pane,
            boolean=self.boolean,
            date=self.date,
            text=self.text,
            where=where,
        )


def _scores_of(prediction: pa.Table) -> _Columns:
    kind = prediction.schema.field(PREDICTION).type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _Columns(numeric=(PREDICTION,))
    return _Columns(categorical=(PREDICTION,))


def _plain(
    table: pa.Table,
    columns: _Columns,
    pane: timedelta,
    scores: Reference | None = None,
    where: tuple[str, str | None] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Reference:
    """Return the reference of the rows as they are; ``scores`` add a column to its grid and profile."""
    grid = columns.grid(table, pane, where)
    starts, groups = Groups.by_pane(event_microseconds(table), pane)
    scratch = Scratch()
    panes = {
        name: PaneCounts(*count_groups(table, name, column, groups, scratch))
        for name, column in grid.columns.items()
    }
    profile = profile_table(table, grid)
    if scores is not None:
        both: dict[str, ColumnGrid] = {**grid.columns, **scores.grid.columns}
        grid = Grid(both, pane, where)
        profile = Profile(grid.name, profile.rows, {**profile.columns, **scores.profile.columns})
    if left_out is None:
        read = [name for name in ("event_at", *grid.columns) if name in table.column_names]
        left_out = leave_out(table.select(read)) if table.num_rows else {}
    return Reference(
        grid=grid,
        profile=profile,
        pane=pane,
        starts=starts,
        pane_rows=groups.sizes(),
        panes=panes,
        left_out=left_out,
        scores=scores,
    )


def _segments(
    table: pa.Table, columns: _Columns, pane: timedelta, by: str, most: int, left_out: Mapping[str, str]
) -> Iterator[Reference]:
    """Yield the references of the most frequent values, and of the other rows if there are any."""
    named = frequent_values(table, by, most)
    notes = {**left_out, by: "it makes the segments"}
    for value in (*named, None):
        rows = rows_of_segment(table, by, value, named)
        if rows.num_rows:
            yield _plain(rows, columns, pane, where=(by, value), left_out=notes)


def _shares(importance: Mapping[str, float]) -> dict[str, float]:
    counted = {name: max(0.0, value) for name, value in importance.items()}
    total = sum(counted.values())
    return {name: value / total for name, value in counted.items()} if total > 0 else {}

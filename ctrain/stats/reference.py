"""References: what a champion was trained on, and how much that varied within itself.

A reference keeps the counts of every pane of its own time range beside those of the whole. The
distance between any window inside it and the rest of it then costs one subtraction of counts, and
tells what distance a window may have for no other reason than the hour, the weekday or the weather.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ctrain.stats.column_profile import ColumnProfile
from ctrain.stats.counting import MICROSECOND
from ctrain.stats.grid import ColumnGrid, Counts, Grid, NumericGrid, build_grid
from ctrain.stats.packing import pack, unpack
from ctrain.stats.profile import EPOCH, Profile, merge, profile_panes, profile_table
from ctrain.stats.screening import leave_out
from ctrain.stats.two_sample import ks_distance, pool_rare, total_variation

_KIND = b"ctrain-reference-1\n"
_MOST_WINDOWS = 1000
_FEWEST_WINDOWS = 3


@dataclass(frozen=True, slots=True, eq=False)
class PaneCounts:
    """Counts of one column pane by pane: pane ``i`` occupies ``bounds[i]:bounds[i + 1]``."""

    nulls: Counts
    bounds: Counts
    cells: Counts
    counts: Counts

    def window(self, first: int, last: int, width: int) -> Counts:
        """Return the count of every cell over panes ``first`` up to but without ``last``."""
        part = slice(self.bounds[first], self.bounds[last])
        dense = np.zeros(width, dtype=np.int64)
        np.add.at(dense, self.cells[part], self.counts[part])
        return dense


@dataclass(frozen=True, slots=True)
class Variability:
    """The largest effects that windows inside a reference have against the rest of it.

    Effects are None where fewer than three disjoint windows fit: then nothing is known.
    """

    windows: int
    effects: Mapping[str, float | None]
    nulls: Mapping[str, float | None]


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
    left_out: Mapping[str, str]
    _variability: dict[tuple[timedelta, int], Variability] = field(default_factory=dict, repr=False)

    @property
    def start(self) -> datetime | None:
        return self._instant(int(self.starts[0])) if len(self.starts) else None

    @property
    def end(self) -> datetime | None:
        return self._instant(int(self.starts[-1])) + self.pane if len(self.starts) else None

    def _instant(self, microseconds: int) -> datetime:
        return EPOCH + microseconds * MICROSECOND

    def variability(self, window: timedelta, min_rows: int = 1) -> Variability:
        """Return ``variability(self, window, min_rows)``, computed once."""
        key = (window, min_rows)
        if key not in self._variability:
            self._variability[key] = variability(self, window, min_rows)
        return self._variability[key]

    def to_bytes(self) -> bytes:
        """Return a compact versioned form."""
        header: dict[str, Any] = {
            "grid": self.grid.to_json(),
            "pane_microseconds": self.pane // MICROSECOND,
            "columns": list(self.panes),
            "left_out": dict(self.left_out),
            "start": int(self.starts[0]) if len(self.starts) else 0,
        }
        profile = np.frombuffer(self.profile.to_bytes(), dtype=np.uint8).astype(np.int64)
        arrays = [self.starts - header["start"], self.pane_rows, profile]
        for panes in self.panes.values():
            arrays += [panes.nulls, np.diff(panes.bounds), panes.cells, panes.counts]
        return pack(_KIND, header, arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> Reference:
        """Return the reference that ``to_bytes`` wrote; raises ValueError for anything else."""
        header, arrays = unpack(_KIND, content)
        panes = {}
        for place, column in enumerate(header["columns"]):
            nulls, sizes, cells, counts = arrays[3 + 4 * place : 7 + 4 * place]
            panes[column] = PaneCounts(nulls, np.concatenate([[0], np.cumsum(sizes)]), cells, counts)
        return cls(
            grid=Grid.from_json(header["grid"]),
            profile=Profile.from_bytes(arrays[2].astype(np.uint8).tobytes()),
            pane=header["pane_microseconds"] * MICROSECOND,
            starts=arrays[0] + header["start"],
            pane_rows=arrays[1],
            panes=panes,
            left_out=header["left_out"],
        )


def build_reference(
    table: pa.Table, numeric: Sequence[str], categorical: Sequence[str], pane: timedelta
) -> Reference:
    """Return the reference that the rows of ``table`` (with ``event_at``) make.

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
    grid = build_grid(table, numeric, categorical, pane=pane)
    profiles = profile_panes(table, grid, pane)
    starts = sorted(profiles)
    kept = [profiles[start] for start in starts]
    columns = [name for name in ("event_at", *grid.columns) if name in table.column_names]
    return Reference(
        grid=grid,
        profile=merge(kept) if kept else profile_table(table, grid),
        pane=pane,
        starts=np.array([(start - EPOCH) // MICROSECOND for start in starts], dtype=np.int64),
        pane_rows=np.array([found.rows for found in kept], dtype=np.int64),
        panes={name: _by_pane([found.columns[name] for found in kept]) for name in grid.columns},
        left_out=leave_out(table.select(columns)) if kept else {},
    )


def _by_pane(profiles: list[ColumnProfile]) -> PaneCounts:
    none = np.zeros(0, dtype=np.int64)
    sizes = [len(found.cells) for found in profiles]
    return PaneCounts(
        nulls=np.array([found.nulls for found in profiles], dtype=np.int64),
        bounds=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        cells=np.concatenate([none, *(found.cells for found in profiles)]),
        counts=np.concatenate([none, *(found.counts for found in profiles)]),
    )


def effect_between(grid: ColumnGrid, reference: Counts, current: Counts) -> float:
    """Return KS distance (numeric) or total variation (categorical, rare categories pooled)."""
    if isinstance(grid, NumericGrid):
        return ks_distance(reference, current)
    return total_variation(*pool_rare(reference, current))


def variability(reference: Reference, window: timedelta, min_rows: int = 1) -> Variability:
    """Return the largest effect of each column between a window inside the reference and its rest.

    Windows end at every pane (at most 1,000 of them, evenly spaced), are ``window`` long, and grow
    back in time until they have ``min_rows`` rows, as the windows of a drift monitor do.

    References
    ----------
    The idea of judging a distance by those between parts of the reference is the block
    permutation of Politis, Romano, Wolf (1999). Subsampling. Springer.
    """
    spans = _spans(reference, window, min_rows)
    known = _disjoint(spans) >= _FEWEST_WINDOWS
    columns = list(reference.panes)
    if not known:
        unknown: dict[str, float | None] = dict.fromkeys(columns)
        return Variability(0, unknown, unknown)
    step = -(-len(spans) // _MOST_WINDOWS)
    kept = spans[::step]
    return Variability(
        windows=len(kept),
        effects={name: _largest_effect(reference, name, kept) for name in columns},
        nulls={name: _largest_null_effect(reference, name, kept) for name in columns},
    )


_Spans = NDArray[np.int64]


def _spans(reference: Reference, window: timedelta, min_rows: int) -> _Spans:
    """Return first and last pane (exclusive) of every window that fits."""
    starts, length = reference.starts, window // MICROSECOND
    if len(starts) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    ends = starts + reference.pane // MICROSECOND
    so_far = np.concatenate([[0], np.cumsum(reference.pane_rows)])
    last = np.arange(1, len(starts) + 1)
    by_time = np.searchsorted(starts, ends - length)
    by_rows = np.searchsorted(so_far, so_far[1:] - min_rows, side="right") - 1
    fits = (ends - length >= starts[0]) & (by_rows >= 0)
    spans: _Spans = np.stack([np.minimum(by_time, by_rows), last], axis=1)[fits]
    return spans


def _disjoint(spans: _Spans) -> int:
    """Return how many windows lie side by side without overlap."""
    number, free_from = 0, 0
    for first, last in spans.tolist():
        if first >= free_from:
            number, free_from = number + 1, last
    return number


def _largest_effect(reference: Reference, column: str, spans: _Spans) -> float | None:
    grid, panes = reference.grid.columns[column], reference.panes[column]
    whole = reference.profile.columns[column].distribution(grid)
    largest = None
    for first, last in spans.tolist():
        inside = panes.window(first, last, grid.cells)
        rest = whole - inside
        if inside.any() and rest.any():
            largest = max(largest or 0.0, effect_between(grid, rest, inside))
    return largest


def _largest_null_effect(reference: Reference, column: str, spans: _Spans) -> float | None:
    rows = np.concatenate([[0], np.cumsum(reference.pane_rows)])
    nulls = np.concatenate([[0], np.cumsum(reference.panes[column].nulls)])
    rows_inside = rows[spans[:, 1]] - rows[spans[:, 0]]
    nulls_inside = nulls[spans[:, 1]] - nulls[spans[:, 0]]
    rows_rest, nulls_rest = rows[-1] - rows_inside, nulls[-1] - nulls_inside
    usable = (rows_inside > 0) & (rows_rest > 0)
    if not usable.any():
        return None
    difference = nulls_inside[usable] / rows_inside[usable] - nulls_rest[usable] / rows_rest[usable]
    return float(np.abs(difference).max())

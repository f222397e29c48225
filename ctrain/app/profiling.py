"""Profiles of files: a grid from a bounded sample, then exact counts of every row on it.

What is exact: every count, on the grid, of every row; nulls, extremes and moments. What is not: the
grid's values are quantiles of at most 200,000 to 400,000 evenly spaced rows, so that of a larger
file a gap between them may hold a little more or less than its share. Categories are counted over
all rows; where there are more than 50,000 of them, rare ones are dropped on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ctrain import __version__
from ctrain.app.sample_grid import sample_grid
from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.stats.column_profile import ColumnProfile, merge_columns
from ctrain.stats.grid import CategoricalGrid, ColumnGrid, Grid
from ctrain.stats.lattice import Scratch
from ctrain.stats.profile import Profile
from ctrain.stats.raw import Kind, kind_of
from ctrain.stats.stored_profile import MAGIC, ColumnType, EventTimes, StoredProfile
from ctrain.stats.tally import Tally, tally_of

EVENT_TIME_NOTE = "left out: the event time"
INSTANTS = frozenset({Kind.TIME, Kind.TEXT, Kind.EMPTY})
"""What columns of event times may hold."""


def profile_files(
    files: TableFiles, *, against: StoredProfile | None = None, event_time: str | None = None
) -> StoredProfile:
    """Return the profile of all rows of some files, on the grid of another profile or on one of their own.

    Raises
    ------
    InputError
        when a file cannot be read, or has no column ``event_time``.
    """
    if event_time is not None and event_time not in files.schema.names:
        raise InputError(f"{files.paths[0]}: no column {event_time!r} for the event time")
    if event_time is not None and kind_of(files.schema.field(event_time).type) not in INSTANTS:
        kind = files.schema.field(event_time).type
        raise InputError(
            f"{files.paths[0]}: column {event_time!r} holds {kind}, no instants; --event-time names "
            "timestamps, dates or texts of them"
        )
    columns = [name for name in files.schema.names if name != event_time]
    if against is None:
        grid, left_out = sample_grid(files, columns, event_time)
    else:
        grid, left_out = against.grid, dict(against.left_out)
    rows, counted = _count(files, grid)
    return StoredProfile(
        grid=grid,
        profile=Profile(grid.name, rows, counted),
        types={one.name: ColumnType(kind_of(one.type), str(one.type)) for one in files.schema},
        left_out=left_out if event_time is None else {**left_out, event_time: EVENT_TIME_NOTE},
        sources=tuple(path.name for path in files.paths),
        created_by=f"ctrain {__version__}",
        event_times=_event_times(files, event_time) if event_time is not None else None,
    )


def read_profile(path: Path) -> StoredProfile:
    """Return the profile in a file; raises InputError for another version or a damaged file."""
    try:
        return StoredProfile.from_bytes(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise InputError(
            f"{path}: not a profile that ctrain {__version__} can read; make it again with ctrain profile"
        ) from error


def check_output(path: Path) -> None:
    """Raise InputError where a profile would take the place of something else, such as the rows."""
    if not path.exists() or is_profile(path) or (path.is_file() and not path.stat().st_size):
        return
    raise InputError(f"{path}: cannot be written: it is there already, and no profile; name another file")


def write_profile(stored: StoredProfile, path: Path) -> None:
    """Write a profile, whole or not at all; raises InputError where that is impossible."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(stored.to_bytes())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def is_profile(path: Path) -> bool:
    """Whether a file is a profile of any version, by how it begins."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


class _Tallies:
    """The tallies of all grid columns that are read from one column."""

    def __init__(self, columns: Mapping[str, ColumnGrid], scratch: Scratch) -> None:
        self._tallies: dict[str, Tally] = {
            name: tally_of(name, grid, scratch) for name, grid in columns.items()
        }

    def add(self, table: pa.Table) -> None:
        for tally in self._tallies.values():
            tally.add(table)

    def skip(self, rows: int) -> None:
        for tally in self._tallies.values():
            tally.skip(rows)

    def profiles(self) -> dict[str, ColumnProfile]:
        return {name: tally.profile() for name, tally in self._tallies.items()}


@dataclass(frozen=True)
class CountScan:
    """Counts columns on the columns of a grid that are read from them."""

    by_source: Mapping[str, Mapping[str, ColumnGrid]]
    dictionaries: tuple[str, ...]

    def start(self, source: str, _first_row: int, scratch: Scratch) -> _Tallies:
        return _Tallies(self.by_source[source], scratch)

    def finish(self, _: str, tallies: _Tallies) -> dict[str, ColumnProfile]:
        return tallies.profiles()

    def merge(self, source: str, found: Sequence[dict[str, ColumnProfile]]) -> dict[str, ColumnProfile]:
        if len(found) == 1:
            return found[0]
        return {name: merge_columns([part[name] for part in found]) for name in self.by_source[source]}


def count_scan(grid: Grid) -> CountScan:
    """Return the scan that counts rows on a grid."""
    by_source: dict[str, dict[str, ColumnGrid]] = {}
    for name, column in grid.columns.items():
        by_source.setdefault(column.source(name), {})[name] = column
    categorical = [name for name, column in grid.columns.items() if isinstance(column, CategoricalGrid)]
    return CountScan(by_source, tuple(categorical))


def _count(files: TableFiles, grid: Grid) -> tuple[int, dict[str, ColumnProfile]]:
    scan = count_scan(grid)
    found = files.consume(list(scan.by_source), scan)
    profiles = {name: profile for part in found.values() for name, profile in part.items()}
    counted = {name: profiles[name] for name in grid.columns}
    rows = next(iter(counted.values())).rows if counted else files.rows
    return rows, counted


class _Extremes:
    """The least and the greatest value of a column."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ends: list[Any] = []

    def add(self, table: pa.Table) -> None:
        found: Any = pc.min_max(table.column(self._name))
        self.widen(found.as_py().values())

    def widen(self, ends: Iterable[Any]) -> None:
        """Take what has been seen of other rows."""
        self._ends = [end for end in (*self._ends, *ends) if end is not None]
        self._ends = [min(self._ends), max(self._ends)] if self._ends else []

    def skip(self, rows: int) -> None:
        """Rows without the column have no event time."""

    @property
    def ends(self) -> list[Any]:
        return self._ends


@dataclass(frozen=True)
class _ExtremesScan:
    """Finds the first and the last instant of a column."""

    dictionaries: tuple[str, ...] = ()

    def start(self, name: str, _first_row: int, _: Scratch) -> _Extremes:
        return _Extremes(name)

    def finish(self, _: str, seen: _Extremes) -> list[Any]:
        return seen.ends

    def merge(self, name: str, found: Sequence[list[Any]]) -> EventTimes:
        seen = _Extremes(name)
        for ends in found:
            seen.widen(ends)
        if not seen.ends:
            return EventTimes(name, None, None)
        first, last = (one.isoformat() if hasattr(one, "isoformat") else str(one) for one in seen.ends)
        return EventTimes(name, first, last)


def _event_times(files: TableFiles, column: str) -> EventTimes:
    return files.consume([column], _ExtremesScan())[column]

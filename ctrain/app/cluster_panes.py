"""Panes of large windows, counted on a dask cluster: a task for each stretch that would be read at once here.

A worker is told which segments hold the rows; it reads them as the row log does, counts the panes on the
grid, and leaves their profiles in a file. The stretches are the same as here, and so are the profiles, to the
last bit. Whatever goes wrong, the panes are counted here.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ctrain.domain import Json, PolicyName, Segment, SegmentKind
from ctrain.launchers.dask_cluster import ClusterTask, DaskCluster
from ctrain.stats.profile import Profile, profile_panes

if TYPE_CHECKING:
    from ctrain.policy.models import DataSpec
    from ctrain.ports import Store, Timer
    from ctrain.stats.grid import Grid

FEWEST_ROWS = 4_000_000
"""Fewer are counted here before workers have begun."""
TOGETHER = 16
"""Stretches whose profiles are given back at once."""
PATIENCE = timedelta(minutes=10)
"""Without an answer for so long, panes are counted here."""
REST = timedelta(minutes=30)
"""After trouble the cluster is not asked for so long."""
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class RowPlace:
    """What a reader of a policy's row log must know besides its segments."""

    rows_folder: Path
    scratch: Path
    """A folder that workers see; grids and profiles are files in it."""
    policy: PolicyName
    data: DataSpec
    task: str


class ClusterPanes:
    """A ``PaneCounter`` of one policy; used by one thread at a time."""

    def __init__(self, cluster: DaskCluster, store: Store, place: RowPlace, timer: Timer) -> None:
        self._cluster, self._store, self._place, self._timer = cluster, store, place, timer
        self._asked: dict[tuple[str, Stretch], tuple[str, Path]] = {}
        """Key of the task and its file, by grid and stretch."""
        self._heard_at = 0.0
        self._resting_until = float("-inf")

    def count(
        self, grid: Grid, pane: timedelta, stretches: Sequence[Stretch]
    ) -> Sequence[Mapping[datetime, Profile]] | None:
        """The panes that have rows, of the first stretches that are known; None: count them here."""
        now = self._timer.monotonic()
        if now < self._resting_until or not stretches:
            return None
        if not self._asked:
            if not self._ask(grid, pane, stretches):
                return None
            self._heard_at = now
        found: list[Mapping[datetime, Profile]] = []
        for stretch in stretches[:TOGETHER]:
            known = self._answered(grid, stretch)
            if known is None:
                break
            found.append(known)
        if found:
            self._heard_at = now
        elif (grid.name, stretches[0]) not in self._asked or now - self._heard_at > PATIENCE.total_seconds():
            self._give_up(now)
            return None
        return found

    def _answered(self, grid: Grid, stretch: Stretch) -> dict[datetime, Profile] | None:
        key, path = self._asked.get((grid.name, stretch), ("", Path()))
        answer = self._cluster.answer(key) if key else None
        if answer is None:
            return None
        del self._asked[grid.name, stretch]
        self._cluster.forget(key)
        found = _read_profiles(path) if answer.result is not None else None
        _clean_up(path)
        return found

    def _ask(self, grid: Grid, pane: timedelta, stretches: Sequence[Stretch]) -> bool:
        """Ask for all stretches; false when they are too few to be worth it."""
        segments = self._segments(stretches[0][0], stretches[-1][1])
        if sum(one.rows for one in segments if one.kind is SegmentKind.ROWS) < FEWEST_ROWS:
            return False
        self._place.scratch.mkdir(parents=True, exist_ok=True)
        told = self._place.scratch / f"{grid.name}.json"
        _write_text(told, json.dumps(grid.to_json()))
        for stretch in stretches:
            name = uuid.uuid4().hex
            written, asked = (self._place.scratch / f"{name}.{kind}" for kind in ("parquet", "request"))
            request = json.dumps(self._request(told, written, pane, stretch, segments))
            _write_text(asked, request)
            self._asked[grid.name, stretch] = f"ctrain-panes-{name}", written
            task = ClusterTask("ctrain.app.cluster_panes:count_stretch", {"asked": str(asked)}, {})
            self._cluster.submit(f"ctrain-panes-{name}", task)
        return True

    def _segments(self, start: datetime, end: datetime) -> list[Segment]:
        first, last = _day(start), _day(end)
        with self._store.read() as tx:
            return [
                one
                for one in tx.segments(self._place.policy)
                if one.kind is not SegmentKind.SCORES and first <= one.event_date <= last
            ]

    def _request(
        self, grid: Path, written: Path, pane: timedelta, stretch: Stretch, segments: Sequence[Segment]
    ) -> Json:
        start, end = stretch
        return {
            "grid": str(grid),
            "written": str(written),
            "pane_seconds": pane.total_seconds(),
            "start": start.isoformat(),
            "end": end.isoformat(),
            "rows_folder": str(self._place.rows_folder),
            "policy": self._place.policy,
            "data": self._place.data.model_dump(mode="json", by_alias=True),
            "task": self._place.task,
            "segments": [asdict(one) for one in segments if _day(start) <= one.event_date <= _day(end)],
        }

    def _give_up(self, now: float) -> None:
        for key, path in self._asked.values():
            self._cluster.forget(key, drop=True)
            _clean_up(path)
        self._asked.clear()
        self._resting_until = now + REST.total_seconds()


class _Committed:
    """A store that knows the segments of one policy, and nothing else: enough to read its rows."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = list(segments)

    @contextmanager
    def read(self) -> Iterator[_Committed]:
        yield self

    def segments(self, _: PolicyName, kind: SegmentKind | None = None) -> list[Segment]:
        return [one for one in self._segments if kind is None or one.kind is kind]


def count_stretch(asked: str) -> Json:
    """Write the profiles of the panes of a stretch; run by workers. ``asked`` is the path of the request."""
    from ctrain.policy.models import DataSpec
    from ctrain.rows.log import ParquetRowLog
    from ctrain.rows.segments import SegmentFolder
    from ctrain.stats.grid import Grid

    request = json.loads(Path(asked).read_text())
    segments = [Segment(**{**one, "kind": SegmentKind(one["kind"])}) for one in request["segments"]]
    policy, store = PolicyName(request["policy"]), cast("Store", _Committed(segments))
    files = SegmentFolder(Path(request["rows_folder"]), policy)
    log = ParquetRowLog(files, store, policy, DataSpec.model_validate(request["data"]), request["task"])
    start, end = (datetime.fromisoformat(request[name]) for name in ("start", "end"))
    rows = log.read(start, end, include_late=False)
    grid = Grid.from_json(json.loads(Path(request["grid"]).read_text()))
    profiles = profile_panes(rows, grid, timedelta(seconds=request["pane_seconds"]))
    _write_profiles(Path(request["written"]), profiles)
    return {"panes": len(profiles), "rows": rows.num_rows}


def _write_profiles(path: Path, profiles: Mapping[datetime, Profile]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "start": pa.array(list(profiles), pa.timestamp("us", tz="UTC")),
            "profile": pa.array([one.to_bytes() for one in profiles.values()], pa.binary()),
        }
    )
    _write_whole(path, lambda partial: pq.write_table(table, partial))


def _read_profiles(path: Path) -> dict[datetime, Profile] | None:
    """What a worker wrote; None when it is not here."""
    import pyarrow.parquet as pq

    if not path.exists():
        return None
    table = pq.ParquetFile(path).read()
    starts: list[Any] = table["start"].to_pylist()
    found: list[Any] = table["profile"].to_pylist()
    return {at: Profile.from_bytes(one) for at, one in zip(starts, found, strict=True)}


def _clean_up(written: Path) -> None:
    for path in (written, written.with_suffix(".request")):
        path.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    _write_whole(path, lambda partial: partial.write_text(text))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    write(partial)
    os.replace(partial, path)


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()

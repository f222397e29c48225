"""A domain classifier's questions about one champion: asked in a child, answered by files.

An answer belongs to a champion and an instant and is a file, so a restart or another rhythm of ticks
finds the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ctrain.domain import AnalysisJob, AnalysisStatus, Champion, ChampionRows, Json, MonitorName, Window
from ctrain.engine.analyses import settled
from ctrain.engine.champion_rows import Wanted, load_champion_rows
from ctrain.engine.instants import EPOCH, MICROSECOND, ceil_to
from ctrain.engine.sampling import sample_rows, seed_of
from ctrain.monitors.classifier_segments import SegmentFindings
from ctrain.monitors.domain_classifier import ClassifierFinding
from ctrain.policy.monitors import DomainClassifierMonitor

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

MOST_INSIDE = 10

Role = Literal["separation", "inside", "separation_by_segment", "inside_by_segment"]
Answer = ClassifierFinding | SegmentFindings | str
"""What was found, or why nothing could be."""
Asked = Answer | None
"""None: the answer has not come yet."""


class Question:
    """One domain classifier's questions about one champion."""

    role_of_windows: Role = "separation"
    role_of_inside: Role = "inside"
    timeout = timedelta(minutes=10)

    def __init__(
        self, watch: Watch, champion: Champion, name: MonitorName, monitor: DomainClassifierMonitor
    ) -> None:
        self._watch, self._champion, self._monitor = watch, champion, monitor
        self._reference = load_champion_rows(watch, champion, self._wanted(monitor))
        self._features = _features(watch, monitor, self._reference)
        shape = json.dumps([_shape(monitor), self._features], sort_keys=True)
        self._key = f"analysis-{watch.name}/{name}/{champion.version}-{seed_of(shape):08x}"
        self.keys: set[str] = set()
        """Of everything that was asked for."""

    def ask(self, as_of: datetime) -> Asked:
        """What the classifier found as of ``as_of``; it is asked in a child first."""
        reference, monitor = self._reference, self._monitor
        if reference is None:
            return "there are no rows of a reference yet"
        if not any(self._features.values()):
            return "no column can be tested"
        start = as_of - monitor.window
        if start < max(reference.window.end, self._champion.cut_off_at or EPOCH):
            return "the window reaches back to rows that the champion was trained on"
        if reference.rows < monitor.min_rows:
            return f"the reference has {reference.rows} rows, {monitor.min_rows} are needed"
        inside = self._inside(reference)
        told = self._told(reference, as_of)
        for answer in (inside, told):
            if not isinstance(answer, AnalysisStatus):
                return answer
            if answer.state == "failed":
                return f"the classifier failed: {answer.message}"
        assert isinstance(inside, AnalysisStatus)
        assert isinstance(told, AnalysisStatus)
        return self._found(reference, told.answer, inside.answer)

    def _wanted(self, monitor: DomainClassifierMonitor) -> Wanted:
        return Wanted(monitor.sample)

    def _found(self, reference: ChampionRows, told: Json, inside: Json) -> Answer:
        return ClassifierFinding(**told, inside=tuple(inside["aucs"]), left_out=self._left_out(reference))

    def _left_out(self, reference: ChampionRows) -> dict[str, str]:
        """Why columns that were asked for are not shown to the classifier."""
        asked_for = self._monitor.columns
        return {
            name: note
            for name, note in reference.left_out.items()
            if name != self._monitor.by and (asked_for is None or name in asked_for)
        }

    def _inside(self, reference: ChampionRows) -> AnalysisStatus | None:
        """How well windows inside the reference are told from its rest; asked once."""

        def request(key: str) -> Json | str:
            spans = _inside_windows(reference.window, self._monitor)
            return {
                **self._request(reference, key),
                "windows": self._windows(spans, key),
                "spans_microseconds": [[_microseconds(one.start), _microseconds(one.end)] for one in spans],
                "min_rows": self._monitor.min_rows,
            }

        answer = self._answer(f"{self._key}-inside", self.role_of_inside, request)
        return answer if isinstance(answer, AnalysisStatus) else None

    def _told(self, reference: ChampionRows, as_of: datetime) -> AnalysisStatus | str | None:
        def request(key: str) -> Json | str:
            start = as_of - self._monitor.window
            rows = self._sample(Window(start, as_of), key)
            lack = self._lack(rows)
            if lack:
                return lack
            current = self._watch.workspace.write(key, "current.parquet", rows)
            return {**self._request(reference, key), "current": current}

        return self._answer(f"{self._key}-{as_of:%Y%m%dT%H%M%S}", self.role_of_windows, request)

    def _lack(self, rows: pa.Table) -> str:
        """Why the rows of a window say nothing; empty when they may."""
        if rows.num_rows >= self._monitor.min_rows:
            return ""
        return f"{rows.num_rows} rows, {self._monitor.min_rows} are needed"

    def _request(self, reference: ChampionRows, key: str) -> dict[str, Any]:
        return {
            "reference": reference.path,
            "features": self._features,
            "period_microseconds": self._monitor.window // MICROSECOND,
            "seed": seed_of(key),
        }

    def _sample(self, window: Window, key: str) -> pa.Table:
        names, most = self._names(), self._monitor.sample
        return sample_rows(self._watch, window.start, window.end, most, seed_of(key), names)

    def _names(self) -> list[str]:
        return [name for kind in self._features.values() for name in kind]

    def _windows(self, spans: Sequence[Window], key: str) -> Any:
        """Where the rows of windows inside the reference lie."""
        import pyarrow as pa

        parts = [self._sample(span, key) for span in spans]
        empty = self._sample(Window(EPOCH, EPOCH), key)
        numbers = [number for number, part in enumerate(parts) for _ in range(part.num_rows)]
        rows = pa.concat_tables([empty, *parts]).append_column("window", pa.array(numbers, pa.int64()))
        return self._watch.workspace.write(key, "windows.parquet", rows)

    def _answer(
        self, key: str, role: Role, request: Callable[[str], Json | str]
    ) -> AnalysisStatus | str | None:
        """The answer under a key, done or given up; a reason not to ask; None while it is awaited."""
        watch = self._watch
        self.keys.add(key)
        watch.analyses.add(key)
        status = watch.analyst.poll(key)
        if status.state == "absent":
            asked = request(key)
            if isinstance(asked, str):
                return asked
            watch.analyst.submit(AnalysisJob(key, role, asked, self.timeout))
            status = watch.analyst.poll(key)
        return settled(watch, key, status)


def _shape(monitor: DomainClassifierMonitor) -> Json:
    """What tells questions of a monitor from others."""
    segments = {"by", "max_segments"} if monitor.by is None else set()
    return monitor.model_dump(mode="json", exclude=segments)


def _features(
    watch: Watch, monitor: DomainClassifierMonitor, reference: ChampionRows | None
) -> dict[str, list[str]]:
    """The features to be shown to the classifier, by kind; never the one that its segments share."""
    left_out = reference.left_out if reference is not None else {}
    return {
        kind: [
            name
            for name in names
            if name not in left_out
            and name != monitor.by
            and (monitor.columns is None or name in monitor.columns)
        ]
        for kind, names in watch.policy.data.features.by_kind.items()
    }


def _inside_windows(reference: Window, monitor: DomainClassifierMonitor) -> list[Window]:
    """Windows inside the reference side by side, at most ``MOST_INSIDE`` of them, evenly spread."""
    return list(_spread(list(_side_by_side(reference, monitor))))


def _side_by_side(reference: Window, monitor: DomainClassifierMonitor) -> Iterator[Window]:
    start = ceil_to(reference.start, monitor.every or monitor.window)
    while start + monitor.window <= reference.end:
        yield Window(start, start + monitor.window)
        start += monitor.window


def _spread(windows: list[Window]) -> Iterator[Window]:
    count = min(len(windows), MOST_INSIDE)
    for number in range(count):
        yield windows[number * len(windows) // count]


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND

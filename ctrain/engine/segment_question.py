"""A domain classifier's questions by segment: every answer is of all segments, each with rows of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ctrain.domain import ChampionRows, Json, Window
from ctrain.engine.champion_rows import Wanted
from ctrain.engine.classifier_question import Answer, Question, Role
from ctrain.engine.sampling import SEGMENT, sample_rows, seed_of
from ctrain.engine.segment_counts import Segments
from ctrain.monitors.classifier_segments import SegmentFinding, SegmentFindings
from ctrain.monitors.domain_classifier import ClassifierFinding
from ctrain.policy.monitors import DomainClassifierMonitor

if TYPE_CHECKING:
    import pyarrow as pa


class SegmentQuestion(Question):
    """One domain classifier's questions about one champion, by the values of a column."""

    role_of_windows: Role = "separation_by_segment"
    role_of_inside: Role = "inside_by_segment"
    timeout = timedelta(minutes=25)

    def _wanted(self, monitor: DomainClassifierMonitor) -> Wanted:
        return Wanted(monitor.sample, monitor.by, monitor.max_segments)

    @property
    def _segments(self) -> Segments:
        """Those of the champion's rows, whatever the window holds."""
        assert self._monitor.by is not None
        return Segments(self._monitor.by, self._reference.segments if self._reference is not None else ())

    def _found(self, reference: ChampionRows, told: Json, inside: Json) -> Answer:
        segments = [
            _segment(name, found, aucs)
            for name, found, aucs in zip(self._segments.names, told["segments"], inside["aucs"], strict=True)
        ]
        return SegmentFindings(segments, self._left_out(reference))

    def _lack(self, rows: pa.Table) -> str:
        monitor = self._monitor
        most = int(np.bincount(rows[SEGMENT].to_numpy(), minlength=1).max())
        if most >= monitor.min_rows:
            return ""
        return f"no segment of {monitor.by} has {monitor.min_rows} rows, the largest has {most}"

    def _request(self, reference: ChampionRows, key: str) -> dict[str, Any]:
        return {
            **super()._request(reference, key),
            "segment_column": SEGMENT,
            "segments": len(self._segments.names),
            "min_rows": self._monitor.min_rows,
            "min_auc": self._monitor.min_auc,
            "alpha": self._monitor.alpha,
        }

    def _sample(self, window: Window, key: str) -> pa.Table:
        names, most = self._names(), self._monitor.sample
        return sample_rows(self._watch, window.start, window.end, most, seed_of(key), names, self._segments)

    def _windows(self, spans: Sequence[Window], key: str) -> Any:
        """A table for each, so that no more than one is in memory."""
        write = self._watch.workspace.write
        return [
            write(key, f"window-{number:02d}.parquet", self._sample(span, key))
            for number, span in enumerate(spans)
        ]


def _segment(name: str, found: Json, aucs: Sequence[float]) -> SegmentFinding:
    reference_rows, current_rows = found["reference_rows"], found["current_rows"]
    if "auc" not in found:
        return SegmentFinding(name, reference_rows, current_rows, problem=found.get("problem", ""))
    told = ClassifierFinding(
        found["auc"], found["p_value"], reference_rows, current_rows, found["importance"], tuple(aucs)
    )
    return SegmentFinding(name, reference_rows, current_rows, told)

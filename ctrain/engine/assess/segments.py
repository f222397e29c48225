"""Segments of the rows that a champion served: the same for as long as it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json
from ctrain.engine.segment_counts import frequent_values
from ctrain.engine.sight import Sight
from ctrain.monitors.metric_segments import MetricMonitor, SegmentRows
from ctrain.stats.columns import text_values
from ctrain.stats.reference import Reference
from ctrain.stats.segments import NULL, OTHER
from ctrain.stats.segments import frequent_values as of_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch


@dataclass(frozen=True, slots=True)
class Remembered:
    """Which values of a column are segments, as a monitor remembers it; none without ``by``."""

    by: str | None
    most: int
    values: tuple[str, ...]
    settled: bool = True
    """False while they come from fewer rows than a verdict needs."""

    @classmethod
    def of(
        cls,
        watch: Watch,
        sight: Sight,
        monitor: MetricMonitor,
        rows: pa.Table,
        memory: Json | None,
    ) -> Remembered:
        """As before, else the most frequent values of the champion's reference, else of the rows."""
        by, most = monitor.by, monitor.max_segments
        if by is None:
            return cls(None, most, ())
        stored = (memory or {}).get("segments")
        if stored is not None and (stored["by"], stored["most"]) == (by, most):
            return cls(by, most, tuple(stored["values"]))
        found = frequent_values(sight.reference or _stored(watch, sight), by, most, ())
        if found:
            return cls(by, most, found)
        return cls(by, most, of_rows(rows, by, most), rows.num_rows >= monitor.min_rows)

    def to_json(self) -> dict[str, Any]:
        """Nothing where there is nothing to remember."""
        if self.by is None or not self.settled:
            return {}
        return {"segments": {"by": self.by, "most": self.most, "values": list(self.values)}}


def _stored(watch: Watch, sight: Sight) -> Reference | None:
    """What was kept at the champion's training, where no other monitor asked for it."""
    if sight.champion is None:
        return None
    with watch.store.read() as tx:
        stored = tx.reference(watch.name, sight.champion.version)
    return None if stored is None else Reference.from_bytes(stored[1])


def segment_rows(
    rows: pa.Table, remembered: Remembered, among: npt.NDArray[np.bool_] | None = None
) -> Sequence[SegmentRows] | None:
    """Which rows (or which of those ``among`` them) are of each segment; None without ``by``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if remembered.by is None:
        return None
    values: Any = text_values(rows, remembered.by)
    found: Any = pc.index_in(values.fill_null(NULL), value_set=pa.array(remembered.values, pa.string()))
    codes = np.asarray(found.fill_null(len(remembered.values)).to_numpy(), dtype=np.int64)
    chosen = codes if among is None else codes[among]
    names = (*remembered.values, OTHER)
    counts = np.bincount(codes, minlength=len(names))
    return [
        SegmentRows(name, chosen == code, int(counts[code]))
        for code, name in enumerate(names)
        if counts[code] or name != OTHER
    ]

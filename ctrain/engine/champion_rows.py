"""A sample of the rows that a champion was trained on, kept as long as it serves.

The rows themselves may be gone from the row log long before the champion is. A champion whose training
window is not on record is compared with the first rows that were seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Champion, ChampionRows, Version, Window
from ctrain.engine.instants import floor_to
from ctrain.engine.panes import first_row_at
from ctrain.engine.sampling import SEGMENT, read_days, sample_rows, seed_of
from ctrain.engine.segment_counts import Segments
from ctrain.engine.version_tags import training_window
from ctrain.policy.monitors import DomainClassifierMonitor, DriftMonitor
from ctrain.stats.screening import leave_out
from ctrain.stats.segments import value_counts

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

FIRST_WINDOWS = 4
"""Without a training window the sample spans this many windows of the longest monitor."""
FEWEST_ROWS = 100
MOST_VALUES = 200_000
"""Values of a column that are counted at once; what is rarer than all of these is no segment."""
FILE = "rows.parquet"
NOTE = b"ctrain"


@dataclass(frozen=True)
class Wanted:
    """How a champion's rows are sampled."""

    most: int
    """Rows, or rows of each segment."""
    by: str | None = None
    """Column whose values are the segments."""
    most_segments: int = 0
    """Besides the others, which are one together."""

    @property
    def name(self) -> str:
        """Name of the folder that the sample is kept in."""
        if self.by is None:
            return f"champion-{self.most}"
        return f"champion-{self.most}-by-{seed_of(self.by):08x}-{self.most_segments}"


def load_champion_rows(watch: Watch, champion: Champion, wanted: Wanted) -> ChampionRows | None:
    """A sample of the rows of the champion's training window; None until there can be one.

    Made once for a champion, and found again after a restart.
    """
    owner = f"analysis-{watch.name}/{wanted.name}"
    shape = (owner, watch.policy.data.features.names)
    known = watch.champion_rows.get(shape)
    if known is not None and known.version == champion.version:
        return known
    path = watch.workspace.path(owner, FILE)
    table = watch.workspace.read(path)
    found = _described(path, table) if table is not None else None
    if found is None or found.version != champion.version or not _has_features(watch, table):
        found = _made(watch, champion, owner, wanted)
    if found is not None:
        watch.champion_rows[shape] = found
    return found


def _has_features(watch: Watch, table: pa.Table | None) -> bool:
    """False when the policy's features have changed since the sample was taken."""
    wanted = {"event_at", *watch.policy.data.features.names}
    return table is not None and wanted <= set(table.column_names)


def _made(watch: Watch, champion: Champion, owner: str, wanted: Wanted) -> ChampionRows | None:
    """From the training window where its rows are kept, else from the first rows that were seen."""
    with watch.store.read() as tx:
        watermark = tx.ingest_state(watch.name).watermark
    tags = watch.registry.version(watch.policy.model.name, champion.version).tags
    for window in (training_window(tags), _first_rows(watch)):
        if window is None or watermark is None or window.end > watermark:
            continue
        table = _sampled(watch, champion, window, wanted)
        if table.num_rows >= FEWEST_ROWS:
            return _described(watch.workspace.write(owner, FILE, table), table)
    return None


def _sampled(watch: Watch, champion: Champion, window: Window, wanted: Wanted) -> pa.Table:
    seed = seed_of(f"{watch.name}/champion/{champion.version}")
    names = watch.policy.data.features.names
    segments = _segments(watch, window, wanted)
    table = sample_rows(watch, window.start, window.end, wanted.most, seed, names, segments)
    note = {
        "version": champion.version,
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "left_out": dict(_left_out(watch, table)),
        "segments": list(segments.values) if segments is not None else [],
    }
    return table.replace_schema_metadata({NOTE: json.dumps(note).encode()})


def _segments(watch: Watch, window: Window, wanted: Wanted) -> Segments | None:
    """The most frequent values of all rows of the window, and the others together."""
    if wanted.by is None:
        return None
    counts: Counter[str] = Counter()
    for _, rows in read_days(watch, window.start, window.end):
        counts.update(value_counts(rows, wanted.by))
        if len(counts) > MOST_VALUES:
            counts = Counter(dict(counts.most_common(MOST_VALUES // 2)))
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return Segments(wanted.by, tuple(ranked[: wanted.most_segments]))


def _left_out(watch: Watch, table: pa.Table) -> Mapping[str, str]:
    """Free text is looked at by its statistics, which are no ids."""
    ignored = {*watch.policy.data.features.text, SEGMENT}
    return leave_out(table.select([name for name in table.column_names if name not in ignored]))


def _described(path: str, table: pa.Table) -> ChampionRows | None:
    note = json.loads((table.schema.metadata or {}).get(NOTE, b"null"))
    if note is None:
        return None
    window = Window(datetime.fromisoformat(note["start"]), datetime.fromisoformat(note["end"]))
    return ChampionRows(
        Version(note["version"]),
        path,
        window,
        table.num_rows,
        note["left_out"],
        tuple(note.get("segments", ())),
    )


def _first_rows(watch: Watch) -> Window | None:
    with watch.store.read() as tx:
        first = first_row_at(watch, tx.ingest_state(watch.name))
    if first is None:
        return None
    start = floor_to(first, watch.policy.data.pane)
    return Window(start, start + FIRST_WINDOWS * _longest(watch))


def _longest(watch: Watch) -> timedelta:
    lengths = [
        one.window
        for one in watch.policy.monitors.values()
        if isinstance(one, DomainClassifierMonitor | DriftMonitor)
    ]
    return max(lengths, default=watch.policy.data.pane)

"""Rows on their way from a source into the row log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Mask = npt.NDArray[np.bool_]

from ctrain.domain.names import Json, PolicyName, Version


class SegmentKind(StrEnum):
    ROWS = "rows"
    LABELS = "labels"
    SCORES = "scores"


PENDING = "pending"
"""In the place of the event date of labels whose row has not arrived, and of rows that have not happened."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future an event may lie: clocks differ."""
FUTURE = "future_time"
"""The reason for which a row beyond that is set aside."""


@dataclass(frozen=True, slots=True)
class Segment:
    """An immutable Parquet file of the row log, visible once its manifest row is committed."""

    id: str
    policy: PolicyName
    kind: SegmentKind
    event_date: str
    """ISO date (UTC) of every row in it, or PENDING."""
    path: str
    """Relative to the row log's folder."""
    rows: int
    bytes: int
    sequence: int
    """Order of commit: a later label replaces an earlier one."""
    model_version: Version | None = None
    """For scores: the version that gave them."""

    @property
    def is_pending(self) -> bool:
        """True for labels and rows that belong to no day yet."""
        return self.event_date == PENDING


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A source file that was set aside whole; it is read again if its content changes."""

    path: str
    reason: str
    """Short and bounded, for a metric label: ``truncated``, ``missing_column``..."""
    message: str
    """For a person: file, column or row, and what to do."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line of a file that is no row: it was set aside alone, the others were read."""

    path: str
    line: int
    """Where it begins; the first line is 1."""
    reason: str
    """Short and bounded, for a metric label: ``ragged_line``, ``bad_json``..."""
    message: str
    """For a person: file, line and what is wrong with it."""
    text: str
    """The line itself, or its beginning."""


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Rows of one file as the source found them, before any renaming or casting."""

    table: pa.Table
    path: str
    first_row: int
    new_columns: tuple[str, ...] = ()
    """Columns that the policy does not use and no earlier file had; with the first rows of a file."""
    lines: npt.NDArray[np.int64] | None = field(default=None, compare=False)
    """For text: the line on which each row begins; the first is 1."""


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What lies after a cursor; ``cursor`` is what to commit together with the rows."""

    batches: tuple[SourceBatch, ...]
    cursor: Json
    rejected: tuple[RejectedFile, ...] = ()
    notes: tuple[str, ...] = ()
    more: bool = False
    """True when a limit ended the read: call again with the new cursor."""
    lines: tuple[RejectedLine, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """What one read brought, and what was wrong with it: marks are by accepted row, by feature."""

    rows: pa.Table
    """Accepted rows in the order of arrival."""
    wrong: Mapping[str, Mask] = field(default_factory=dict)
    """Rows whose value of a feature means nothing (text among numbers) and is null now."""
    absent: Mapping[str, Mask] = field(default_factory=dict)
    """Rows whose file lacks the column of a feature."""
    repeated_at: Sequence[int] = ()
    """Event times of rows that were dropped because their id was known, in microseconds since 1970."""
    received: pa.Table | None = None
    """All rows of the read, with those that were dropped."""
    repeated: Mask | None = None
    """Which of the received rows were dropped because their id was known."""
    new_columns: Mapping[str, int] = field(default_factory=dict)
    """Columns that no earlier file had, by the earliest event of their file in microseconds."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one read: segments on disk (not yet visible) and counts."""

    segments: tuple[Segment, ...]
    replaced: tuple[str, ...] = ()
    """Ids of segments that the new ones supersede (pending labels that found their row)."""
    accepted: int = 0
    late: int = 0
    duplicates: int = 0
    labels: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rows set aside, by reason."""
    came_due: int = 0
    """Rows that were set aside for being from the future by an earlier read, and are judged by this one."""
    newest_event_at: datetime | None = None
    arrived: Arrived | None = field(default=None, compare=False, repr=False)
    """The rows themselves, of a read of rows."""


@dataclass(frozen=True, slots=True)
class IngestState:
    """All that ingest remembers of one policy, committed with the segments it describes."""

    rows_cursor: Json = field(default_factory=dict)
    labels_cursor: Json = field(default_factory=dict)
    watermark: datetime | None = None
    """Greatest event time seen (never beyond now) minus ``allowed_lateness``."""
    newest_event_at: datetime | None = None
    next_pane_at: datetime | None = None
    """Start of the earliest pane that has not been observed."""
    sequence: int = 0
    rows_total: int = 0
    late_total: int = 0
    duplicates_total: int = 0
    labels_total: int = 0
    rejected_total: Mapping[str, int] = field(default_factory=dict)
    last_arrival_at: datetime | None = None

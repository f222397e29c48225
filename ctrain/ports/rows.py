"""Rows from outside, and our own copy of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ctrain.domain import Ingested, IngestState, Json, PolicyName, Segment, SourceRead, Version

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from ctrain.policy.models import DataSpec, Policy
    from ctrain.stats.stored_profile import StoredProfile


@dataclass(frozen=True, slots=True)
class ReferenceRows:
    """Rows from outside that make a reference."""

    table: pa.Table
    """``event_at`` and every feature, as ``RowLog.read`` returns them."""
    timed: bool
    """False when the file has no event times; those of the table mean nothing then."""
    origin: str
    """Where they are from, for a person."""


class RowCount(NamedTuple):
    """How many rows there are, and how many of them have a label."""

    rows: int
    labelled: int


class Source(Protocol):
    """Rows from outside, read once from a durable cursor."""

    def read(self, cursor: Json, limit_rows: int) -> SourceRead:
        """Return up to about ``limit_rows`` rows after ``cursor``; ``{}`` is the beginning."""

    def has_unread(self, cursor: Json) -> bool:
        """True when ``read`` may find something after ``cursor``; changes nothing of what it would find."""


class ReferenceFile(Protocol):
    """The file that a policy's reference is made from."""

    def digest(self) -> str:
        """Of the content, in hexadecimal; read again only when the file has been touched.

        Raises InputError when the file cannot be read.
        """

    def read(self) -> ReferenceRows | StoredProfile:
        """Return its rows with the columns of the row log, or what it holds instead of rows.

        Raises InputError when it has none, or not the features.
        """


class RowLog(Protocol):
    """Our own copy of the rows of one policy.

    ``write_rows`` and ``write_labels`` put segments on disk; nobody sees them until the store has
    committed them and ``adopt`` was called. Opened from the committed manifest, so a crash between
    the two leaves orphan files that ``sweep`` removes.
    """

    def write_rows(
        self, read: SourceRead, state: IngestState, now: datetime, *, after: Ingested | None = None
    ) -> Ingested:
        """Normalise, set aside what cannot be used, drop repeated ids, write segments by date.

        A row that lies in the near future counts as set aside, and waits: a later write takes it in.

        ``after`` are labels that were held for these rows: the segments of both are returned, to be
        committed together, and ``state`` is the one after the labels. Until they are adopted, or it is swept,
        the log shows labels that are not committed.
        """

    def has_due(self, now: datetime) -> bool:
        """True when rows that lay in the near future have happened: ``write_rows`` takes them in."""

    def write_labels(
        self, read: SourceRead, state: IngestState, now: datetime, *, held: bool = False
    ) -> Ingested:
        """Write labels beside their rows by date; labels without a row wait in ``pending``.

        ``held`` says that rows follow which are committed with them: what is written is durable with those.
        """

    def write_scores(self, version: Version, scores: pa.Table, sequence: int) -> Ingested:
        """Write the sidecar of one version's scores: columns row_id, event_at, score.

        A score is a number, or for multiclass a struct with one float64 field a class, named as the
        class is. All fields null: the version cannot score the row. A field that later scores of the
        version lack, or bring, is null where it was not given.
        """

    def adopt(self, ingested: Ingested) -> None:
        """Make committed segments visible to reads."""

    def read(
        self,
        start: datetime,
        end: datetime,
        *,
        scores_of: Sequence[Version] = (),
        include_late: bool = True,
    ) -> pa.Table:
        """Return rows with ``start <= event_at < end`` in (event_at, row_id) order.

        Columns: ``row_id`` string, ``event_at`` timestamp[us, UTC], ``late`` bool, ``prediction``,
        ``model_version`` string, every feature (numeric as float64, categorical as string),
        ``label`` (float64 for binary and regression, string for multiclass; latest correction;
        null when absent), and ``score:VERSION`` per version asked for: null without a score.
        """

    def count(self, start: datetime, end: datetime) -> RowCount:
        """Count the rows that ``read`` returns, late ones included; a day is read for it once."""

    def rows_a_day(self, first: str, last: str) -> dict[str, int]:
        """How many rows lie on each ISO date from ``first`` to ``last`` that has any, in order."""

    def sweep(self, confirm: Callable[[], None] = lambda: None) -> int:
        """Delete files that no manifest row names; return how many.

        ``confirm`` is called before anything is deleted and raises when the files may be somebody else's.
        """

    def retire(self, before: datetime) -> Sequence[Segment]:
        """Return the segments that lie wholly before ``before``, for removal from the manifest."""

    def forget_set_aside(self, before: datetime) -> None:
        """Delete what was set aside on days before ``before``."""

    def delete(self, segments: Iterable[Segment]) -> None:
        """Delete the files of segments that the manifest no longer names.

        A row of their days that comes again is a duplicate from now on, as the store remembers, too.
        """


class RowLogs(Protocol):
    def open(self, policy: PolicyName, data: DataSpec, task: str) -> RowLog:
        """The row log of a policy, from the committed manifest."""


class Sources(Protocol):
    def open_rows(self, policy: Policy, folder: Path) -> Source:
        """``folder`` is where the policy's relative paths start."""

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        """None when labels come in the same table as the rows, or never."""

    def open_reference(self, policy: Policy, folder: Path) -> ReferenceFile | None:
        """None when the policy's reference is made from rows of its own."""

"""History as sources that reveal it: a row at its event time, a label once it has matured.

What lies after the virtual present cannot be read. Scores that production logged in its day are left
out: they are those of other models, at another time. A label that lies in the rows' own table is taken
out of it, and comes when it is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.backtest.clock import VirtualClock
from ctrain.domain import Json, SourceBatch, SourceRead
from ctrain.engine.instants import EPOCH
from ctrain.errors import InputError
from ctrain.policy.data import FilesSource
from ctrain.rows.columns import extract, label_columns, row_columns
from ctrain.rows.days import in_order
from ctrain.rows.instants import FAR, as_microseconds, cast_instant, microseconds_of
from ctrain.rows.normalise import Normalised, normalise_labels, normalise_rows
from ctrain.sources.opening import FileSources

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.policy.data import DataSpec
    from ctrain.policy.models import Policy
    from ctrain.ports import Source, Sources

Micros = npt.NDArray[np.int64]

ROWS_PER_READ = 1_000_000
MOST_NAMED = 3
"""Of what was set aside."""
MICROSECOND = timedelta(microseconds=1)
BEGINNING = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one schema in the order in which they appear, and when each does, in microseconds."""

    table: pa.Table
    appears: Micros
    path: str
    new_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """All that is on record of the past, in the order in which it came to light."""

    rows: tuple[Stretch, ...]
    labels: tuple[Stretch, ...]
    known: pa.Table
    """To judge by: ``row_id``, ``event_at``, features and ``label`` (null: none), in event-time order."""
    set_aside: tuple[str, ...] = ()
    """Files, lines, and how many rows and labels are no part of it, and why."""

    @property
    def first_at(self) -> datetime:
        return as_instant(self._events()[0])

    @property
    def last_at(self) -> datetime:
        return as_instant(self._events()[-1])

    def instant_of_share(self, share: float) -> datetime:
        """The instant by which ``share`` of the rows has happened."""
        events = self._events()
        return as_instant(events[min(int(len(events) * share), len(events) - 1)])

    def labelled_within(self, start: datetime, end: datetime) -> int:
        """How many rows of ``[start, end)`` have a label."""
        first, after = np.searchsorted(self._events(), [as_microseconds(start), as_microseconds(end)])
        return int(pc.count(self.known["label"].slice(first, max(after - first, 0))).as_py())

    def _events(self) -> Micros:
        return microseconds_of(self.known["event_at"].combine_chunks())


def as_instant(microseconds: int | np.int64) -> datetime:
    return EPOCH + MICROSECOND * int(microseconds)


def load_history(
    policy: Policy, folder: Path, sources: Sources | None = None, now: datetime = FAR
) -> History:
    """Return all rows and labels that the policy's sources hold now: files, unless others are given.

    What has not happened by ``now`` is no history: a row of a wrong clock would make it last for years.

    Raises
    ------
    InputError
        when there is no usable row; it says what was set aside.
    """
    sources, data, task = sources or FileSources(), policy.data, policy.model.task
    batches, aside = _read_all(sources.open_rows(policy, folder))
    usable = normalise_rows(batches, data, task, now)
    rows, aside = usable.table, [*_counted(usable, "row"), *aside]
    if not rows.num_rows:
        place = data.source.path if isinstance(data.source, FilesSource) else policy.policy
        raise InputError("; ".join([f"{place}: there is no row to replay", *aside[:MOST_NAMED]]))
    rows = _first_of_each_id(rows)
    labels_source = sources.open_labels(policy, folder)
    labels = rows.select(["row_id", "label"]).filter(pc.is_valid(rows["label"]))
    if labels_source is not None:
        label_batches, labels_aside = _read_all(labels_source)
        usable = normalise_labels(label_batches, data, task)
        labels, aside = usable.table, [*_counted(usable, "label"), *aside, *labels_aside]
    return History(
        rows=tuple(_revealed(batches, policy)),
        labels=_due(labels, rows, policy),
        known=_judged_by(rows, labels, data),
        set_aside=tuple(aside),
    )


def _read_all(source: Source) -> tuple[list[SourceBatch], list[str]]:
    """What the source holds, and why some of it cannot be used."""
    cursor: Json = {}
    batches: list[SourceBatch] = []
    aside: list[str] = []
    while True:
        read = source.read(cursor, ROWS_PER_READ)
        batches += read.batches
        aside += [one.message for one in read.rejected] + [one.message for one in read.lines]
        if not read.more:
            return batches, aside
        cursor = read.cursor


def _counted(usable: Normalised, of: str) -> list[str]:
    """How many were set aside, by reason."""
    return [
        f"{count} {of}{'s' if count > 1 else ''} ({reason.replace('_', ' ')})"
        for reason, count in usable.rejected.items()
    ]


def _first_of_each_id(rows: pa.Table) -> pa.Table:
    """The row log drops a repeated id: what came first counts."""
    ordered = rows.take(np.argsort(microseconds_of(rows["event_at"]), kind="stable"))
    ids = ordered["row_id"].combine_chunks()
    first = pc.index_in(ids, value_set=ids)
    return ordered.filter(pc.equal(first, pa.array(np.arange(len(ids)), first.type)))


def _revealed(batches: Sequence[SourceBatch], policy: Policy) -> Iterable[Stretch]:
    """The rows as production exported them, but for what nobody knew then."""
    columns = {one.name: one for one in row_columns(policy.data, policy.model.task)}
    time = columns[policy.data.event_time.column]
    for group in _by_schema(batches):
        table = pa.concat_tables([one.table for one in group])
        instants = cast_instant(extract(table, time), time.zone).values
        appears = np.where(
            np.asarray(pc.is_valid(instants)), microseconds_of(pc.fill_null(instants, EPOCH)), BEGINNING
        )
        news = tuple(dict.fromkeys(name for one in group for name in one.new_columns))
        yield _sorted(Stretch(_without_hindsight(table, policy), appears, group[0].path, news))


def _by_schema(batches: Iterable[SourceBatch]) -> list[list[SourceBatch]]:
    groups: list[list[SourceBatch]] = []
    for batch in batches:
        known = next((group for group in groups if group[0].table.schema.equals(batch.table.schema)), None)
        if known is None:
            groups.append([batch])
        else:
            known.append(batch)
    return groups


def _without_hindsight(table: pa.Table, policy: Policy) -> pa.Table:
    """Without logged scores, and labels in the rows' own table; a column of that name wins over a path."""
    data = policy.data
    hidden = [data.prediction, data.model_version]
    if data.labels.source is None:
        hidden.append(data.labels.label)
    for name in hidden:
        if name is None:
            continue
        path = data.columns.get(name, name)
        position = table.schema.get_field_index(path)
        nothing = pa.nulls(table.num_rows, pa.string() if name == data.model_version else None)
        if position >= 0:
            nothing = pa.nulls(table.num_rows, table.schema.field(position).type)
            table = table.set_column(position, path, nothing)
        else:
            table = table.append_column(path, nothing)
    return table


def _due(labels: pa.Table, rows: pa.Table, policy: Policy) -> tuple[Stretch, ...]:
    """Labels of known rows, each at the instant at which it can be trusted."""
    position: Any = pc.index_in(labels["row_id"].combine_chunks(), value_set=rows["row_id"].combine_chunks())
    labels = labels.filter(pc.is_valid(position))
    events = rows["event_at"].combine_chunks().take(position.drop_null())
    appears = microseconds_of(events) + policy.data.labels.matures_after // MICROSECOND
    key, label = label_columns(policy.data, policy.model.task)
    named = labels.rename_columns([key.paths[0], label.paths[0]])
    return (_sorted(Stretch(named, appears, "labels")),) if named.num_rows else ()


def _sorted(stretch: Stretch) -> Stretch:
    order = np.argsort(stretch.appears, kind="stable")
    return Stretch(
        stretch.table.take(order).combine_chunks(),
        stretch.appears[order],
        stretch.path,
        stretch.new_columns,
    )


def _judged_by(rows: pa.Table, labels: pa.Table, data: DataSpec) -> pa.Table:
    """Every row with the last label that it got."""
    newest = labels.take(np.arange(labels.num_rows)[::-1]).combine_chunks()
    ids = newest["row_id"].combine_chunks()
    position: Any = pc.index_in(rows["row_id"].combine_chunks(), value_set=ids)
    label: Any = newest["label"].combine_chunks().take(position)
    if data.labels.absent_means == 0:
        label = label.fill_null("0" if pa.types.is_string(label.type) else 0.0)
    table = rows.select(["row_id", "event_at", *data.features.names]).append_column("label", label)
    return in_order(table)


class RevealedSource:
    """A ``Source`` of what has appeared by the virtual present, each thing once."""

    def __init__(self, stretches: Sequence[Stretch], clock: VirtualClock) -> None:
        self._stretches = stretches
        self._clock = clock

    def read(self, cursor: Json, limit_rows: int) -> SourceRead:
        """Return what appeared after ``cursor`` until now, in order; up to about ``limit_rows``."""
        since, now = int(cursor.get("until", BEGINNING)), as_microseconds(self._clock.now())
        if not cursor:
            since = BEGINNING - 1
        until = self._within(since, now, limit_rows)
        batches = []
        for stretch in self._stretches:
            first, end = _between(stretch.appears, since, until)
            if first < end:
                part = stretch.table.slice(first, end - first)
                first_event = int(np.searchsorted(stretch.appears, BEGINNING, side="right"))
                news = stretch.new_columns if first <= first_event < end else ()
                batches.append(SourceBatch(part, stretch.path, first, news))
        return SourceRead(tuple(batches), {"until": until} if batches else cursor, more=until < now)

    def has_unread(self, cursor: Json) -> bool:
        """True when something appeared after ``cursor`` until now."""
        since, now = int(cursor.get("until", BEGINNING - 1)), as_microseconds(self._clock.now())
        spans = (_between(one.appears, since, now) for one in self._stretches)
        return any(first < end for first, end in spans)

    def _within(self, since: int, now: int, limit_rows: int) -> int:
        """The last instant up to which at most so many things appeared, rounded up to a whole instant."""
        waiting = [one.appears[slice(*_between(one.appears, since, now))] for one in self._stretches]
        appears = np.concatenate(waiting) if waiting else np.array([], dtype=np.int64)
        if len(appears) <= limit_rows:
            return now
        return int(np.partition(appears, limit_rows - 1)[limit_rows - 1])


def _between(appears: Micros, since: int, until: int) -> tuple[int, int]:
    """Positions of what appeared after ``since`` and not after ``until``."""
    first = 0 if since < BEGINNING else int(np.searchsorted(appears, since, side="right"))
    return first, int(np.searchsorted(appears, until, side="right"))

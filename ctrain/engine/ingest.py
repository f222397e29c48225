"""Ingest: rows and labels after the cursor go into the row log, once.

Segments are written first and become visible by one transaction that also moves the cursor, so a
crash leaves either nothing or everything; files without a manifest row are swept at the next start.
Labels are read before rows: a label waits for its row, and maturity keeps it from being used early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ctrain.domain import FUTURE, Ingested, IngestState, SourceRead
from ctrain.engine.arrivals import add_arrived
from ctrain.engine.row_commits import committing_rows
from ctrain.engine.seen_values import add_seen
from ctrain.engine.unreadable_values import tell_unreadable
from ctrain.engine.wrong_clock import refuse_wrong_clock

if TYPE_CHECKING:
    from ctrain.domain import Arrived, Json
    from ctrain.engine.watch import Watch
    from ctrain.ports import Source, Transaction

    Taken = tuple[SourceRead, Ingested]

ROWS_PER_READ = 200_000
READS_PER_TICK = 4


def ingest(watch: Watch) -> bool:
    """Read what is new; True when anything was committed.

    Rows wait until all labels that are there have been read: rows move the watermark, and a pane
    that closes before its labels were read would be judged without them. The last labels are committed
    together with the first rows, unless that failed the last time: then each is committed by itself.
    """
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    state, labels, moved, watch.behind = _take_labels(watch, state)
    if watch.behind:
        return moved
    for _ in range(READS_PER_TICK):
        rows = _unread(watch.rows_source, state.rows_cursor)
        if rows is None and watch.row_log.has_due(watch.clock.now()):
            rows = SourceRead((), state.rows_cursor)
        watch.behind = rows is not None and rows.more
        if labels is not None or rows is not None:
            state, moved = _take(watch, state, labels, rows), True
        if not watch.behind:
            break
        labels = None
    return moved


def has_unread(watch: Watch, state: IngestState) -> bool:
    """True when there may be something to take in after the cursors of ``state``; nothing is read."""
    labels = watch.labels_source
    return (
        watch.rows_source.has_unread(state.rows_cursor)
        or (labels is not None and labels.has_unread(state.labels_cursor))
        or watch.row_log.has_due(watch.clock.now())
    )


class LabelsTaken(NamedTuple):
    """What came of reading labels before rows."""

    state: IngestState
    last: SourceRead | None
    """The last read, which is to be committed together with rows."""
    moved: bool
    """Others have been committed."""
    more: bool
    """There is more than one tick reads."""


def _take_labels(watch: Watch, state: IngestState) -> LabelsTaken:
    """Commit what is new of the labels, ``READS_PER_TICK`` reads at most, but for the last read of all."""
    source, moved = watch.labels_source, False
    if source is None:
        return LabelsTaken(state, None, moved=False, more=False)
    for _ in range(READS_PER_TICK):
        labels = _unread(source, state.labels_cursor)
        if labels is None or (not labels.more and not watch.takes_apart):
            return LabelsTaken(state, labels, moved, more=False)
        state, moved = _take(watch, state, labels, None), True
        if not labels.more:
            return LabelsTaken(state, None, moved, more=False)
    return LabelsTaken(state, None, moved, more=True)


def _unread(source: Source, cursor: Json) -> SourceRead | None:
    """What is new; None when nothing is."""
    read = source.read(cursor, ROWS_PER_READ)
    return None if _is_empty(read, cursor == read.cursor) else read


def _take(
    watch: Watch, state: IngestState, labels: SourceRead | None, rows: SourceRead | None
) -> IngestState:
    """The state after labels, rows or both, which are committed together."""
    now, following, taken = watch.clock.now(), state, []
    if labels is not None:
        ingested = watch.row_log.write_labels(labels, state, now, held=rows is not None)
        following = replace(_counted(state, labels, ingested), labels_cursor=labels.cursor)
        taken.append((labels, ingested))
    if rows is not None:
        after = taken[0][1] if taken else None
        # Labels that are not committed show in the row log: if anything fails now, it is read anew.
        watch.takes_apart = watch.row_log_in_doubt = after is not None
        ingested = watch.row_log.write_rows(rows, following, now, after=after)
        following = replace(_counted(following, rows, ingested), rows_cursor=rows.cursor)
        following = _with_watermark(watch, following, ingested.newest_event_at, now)
        taken.append((rows, ingested))
    _commit(watch, state, following, taken)
    watch.takes_apart = watch.takes_apart and rows is None
    return following


def _is_empty(read: SourceRead, same_cursor: bool) -> bool:
    return same_cursor and not read.batches and not read.rejected and not read.notes


def _counted(state: IngestState, read: SourceRead, ingested: Ingested) -> IngestState:
    rejected = Counter(state.rejected_total)
    rejected.update(ingested.rejected)
    rejected.update(f"file_{file.reason}" for file in read.rejected)
    rejected.subtract({FUTURE: ingested.came_due} if ingested.came_due else {})
    return replace(
        state,
        sequence=state.sequence + 1,
        rows_total=state.rows_total + ingested.accepted,
        late_total=state.late_total + ingested.late,
        duplicates_total=state.duplicates_total + ingested.duplicates,
        labels_total=state.labels_total + ingested.labels,
        rejected_total=dict(rejected),
    )


def _with_watermark(watch: Watch, state: IngestState, newest: datetime | None, now: datetime) -> IngestState:
    if newest is None:
        return state
    greatest = newest if state.newest_event_at is None else max(newest, state.newest_event_at)
    return replace(
        state,
        newest_event_at=greatest,
        watermark=greatest - watch.policy.data.allowed_lateness,
        last_arrival_at=now,
    )


def _commit(watch: Watch, before: IngestState, following: IngestState, taken: Sequence[Taken]) -> None:
    """Commit what was read; the segments of all are in what was written last."""
    written = taken[-1][1]
    with committing_rows(watch, written) as tx:
        refuse_wrong_clock(before, written, watch.clock.now())
        tx.save_ingest_state(watch.name, following)
        if written.arrived is not None:
            _save_arrived(watch, tx, written.arrived, before.watermark)
        tx.add_segments(written.segments)
        tx.remove_segments(watch.name, written.replaced)
        for read, _ in taken:
            _tell(watch, tx, read)
    for read, ingested in taken:
        _count(watch, read, ingested)


def _tell(watch: Watch, tx: Transaction, read: SourceRead) -> None:
    """Put on record what the source found odd."""
    for file in read.rejected:
        evidence = {"path": file.path, "reason": file.reason}
        tx.append_event(watch.event("file_rejected", file.message, evidence=evidence))
    for note in read.notes:
        tx.append_event(watch.event("source_note", note))


def _save_arrived(watch: Watch, tx: Transaction, arrived: Arrived, judged_until: datetime | None) -> None:
    """Keep what monitors ask of the rows of one read beside the rows themselves."""
    tell_unreadable(watch, tx, arrived)
    add_seen(tx, watch.policy, watch.name, arrived.rows, judged_until)
    add_arrived(tx, watch.policy, watch.name, arrived, judged_until)


def _count(watch: Watch, read: SourceRead, ingested: Ingested) -> None:
    telemetry = watch.telemetry
    telemetry.count("rows_ingested_total", ingested.accepted, policy=watch.name)
    telemetry.count("rows_late_total", ingested.late, policy=watch.name)
    if ingested.duplicates:
        telemetry.count("rows_rejected_total", ingested.duplicates, policy=watch.name, reason="duplicate_id")
    for reason, amount in ingested.rejected.items():
        telemetry.count("rows_rejected_total", amount, policy=watch.name, reason=reason)
    for file in read.rejected:
        telemetry.count("rows_rejected_total", 1, policy=watch.name, reason=f"file_{file.reason}")
    if ingested.accepted or ingested.labels or read.rejected:
        telemetry.log(
            "ingested",
            policy=watch.name,
            rows=ingested.accepted,
            labels=ingested.labels,
            late=ingested.late,
            duplicates=ingested.duplicates,
            rejected=dict(ingested.rejected),
            files_rejected=[file.path for file in read.rejected],
        )

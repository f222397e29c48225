"""Ingest: rows and labels after the cursor go into the row log, once.

Segments are written first and become visible by one transaction that also moves the cursor, so a
crash leaves either nothing or everything; files without a manifest row are swept at the next start.
Labels are read before rows: a label waits for its row, and maturity keeps it from being used early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Ingested, IngestState
from ctrain.engine.arrivals import add_arrived
from ctrain.engine.row_commits import committing_rows
from ctrain.engine.seen_values import add_seen
from ctrain.engine.unread import tell_unread
from ctrain.engine.wrong_clock import refuse_wrong_clock

if TYPE_CHECKING:
    from ctrain.domain import Arrived, SourceRead
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

ROWS_PER_READ = 200_000
READS_PER_TICK = 4


def ingest(watch: Watch) -> bool:
    """Read what is new; True when anything was committed.

    Rows wait until all labels that are there have been read: rows move the watermark, and a pane
    that closes before its labels were read would be judged without them.
    """
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
    state, moved, watch.behind = _drain(watch, state, _ingest_labels)
    if watch.behind:
        return moved
    _, rows_moved, watch.behind = _drain(watch, state, _ingest_rows)
    return moved or rows_moved


def has_unread(watch: Watch, state: IngestState) -> bool:
    """True when there may be something to read after the cursors of ``state``; nothing is read."""
    labels = watch.labels_source
    return watch.rows_source.has_unread(state.rows_cursor) or (
        labels is not None and labels.has_unread(state.labels_cursor)
    )


def _drain(
    watch: Watch,
    state: IngestState,
    step: Callable[[Watch, IngestState], tuple[IngestState, bool, bool]],
) -> tuple[IngestState, bool, bool]:
    """The state after up to so many reads, whether anything was committed, whether more is there."""
    progress = more = False
    for _ in range(READS_PER_TICK):
        state, moved, more = step(watch, state)
        progress |= moved
        if not more:
            break
    return state, progress, more


def _ingest_labels(watch: Watch, state: IngestState) -> tuple[IngestState, bool, bool]:
    if watch.labels_source is None:
        return state, False, False
    read = watch.labels_source.read(state.labels_cursor, ROWS_PER_READ)
    if _is_empty(read, state.labels_cursor == read.cursor):
        return state, False, False
    now = watch.clock.now()
    ingested = watch.row_log.write_labels(read, state, now)
    following = replace(_counted(state, read, ingested), labels_cursor=read.cursor)
    _commit(watch, state, following, read, ingested)
    return following, True, read.more


def _ingest_rows(watch: Watch, state: IngestState) -> tuple[IngestState, bool, bool]:
    read = watch.rows_source.read(state.rows_cursor, ROWS_PER_READ)
    if _is_empty(read, state.rows_cursor == read.cursor):
        return state, False, False
    now = watch.clock.now()
    ingested = watch.row_log.write_rows(read, state, now)
    following = replace(_counted(state, read, ingested), rows_cursor=read.cursor)
    following = _with_watermark(watch, following, ingested.newest_event_at, now)
    _commit(watch, state, following, read, ingested)
    return following, True, read.more


def _is_empty(read: SourceRead, same_cursor: bool) -> bool:
    return same_cursor and not read.batches and not read.rejected and not read.notes


def _counted(state: IngestState, read: SourceRead, ingested: Ingested) -> IngestState:
    rejected = Counter(state.rejected_total)
    rejected.update(ingested.rejected)
    rejected.update(f"file_{file.reason}" for file in read.rejected)
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


def _commit(
    watch: Watch, before: IngestState, following: IngestState, read: SourceRead, ingested: Ingested
) -> None:
    with committing_rows(watch, ingested) as tx:
        refuse_wrong_clock(before, ingested, watch.clock.now())
        tx.save_ingest_state(watch.name, following)
        if ingested.arrived is not None:
            _save_arrived(watch, tx, ingested.arrived, before.watermark)
        tx.add_segments(ingested.segments)
        tx.remove_segments(watch.name, ingested.replaced)
        for file in read.rejected:
            tx.append_event(
                watch.event(
                    "file_rejected", file.message, evidence={"path": file.path, "reason": file.reason}
                )
            )
        for note in read.notes:
            tx.append_event(watch.event("source_note", note))
    _count(watch, read, ingested)


def _save_arrived(watch: Watch, tx: Transaction, arrived: Arrived, judged_until: datetime | None) -> None:
    """Keep what monitors ask of the rows of one read beside the rows themselves."""
    tell_unread(watch, tx, arrived)
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

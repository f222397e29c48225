"""Scores that a child has answered go into the row log, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import Version
from ctrain.engine.instants import MICROSECOND
from ctrain.engine.row_commits import committing_rows
from ctrain.engine.watch import score_column

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch


def keep_scores(watch: Watch, version: Version, answered: pa.Table) -> None:
    """Put the scores of a version that are not there yet into the row log, in one commit."""
    scored = _unscored(watch, version, answered) if answered.num_rows else answered
    if not scored.num_rows:
        return
    with watch.store.read() as tx:
        sequence = tx.ingest_state(watch.name).sequence
    ingested = watch.row_log.write_scores(version, scored, sequence + 1)
    with committing_rows(watch, ingested) as tx:
        tx.save_ingest_state(watch.name, replace(tx.ingest_state(watch.name), sequence=sequence + 1))
        tx.add_segments(ingested.segments)


def _unscored(watch: Watch, version: Version, scored: pa.Table) -> pa.Table:
    """Those without a score: an answer that was kept just before a crash is found once more after it."""
    import pyarrow.compute as pc

    instants = scored["event_at"]
    first, last = pc.min(instants).as_py(), pc.max(instants).as_py()
    logged = watch.row_log.read(first, last + MICROSECOND, scores_of=[version])
    known = logged.filter(pc.is_valid(logged[score_column(version)]))["row_id"]
    return scored.filter(pc.invert(pc.is_in(scored["row_id"], value_set=known.combine_chunks())))

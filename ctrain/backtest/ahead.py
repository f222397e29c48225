"""Scores of rows to come, asked for together with those of rows that are there: fewer requests.

A score depends on the row and the model alone. The engine is given that of a row when it asks for it, which
it does once the row has happened; one that it never asks for is never seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctrain.domain import ScoreJob, ScoreStatus, Version
from ctrain.engine.scores import KEPT
from ctrain.rows.instants import microseconds_of

if TYPE_CHECKING:
    from ctrain.ports import Scorer

MOST_AHEAD = 10_000
"""Rows; by then the request itself takes next to nothing of the time."""
LARGE = 1_000
"""Rows of a request that is left as it is: handing on what was scored early would save nothing."""
DONE = ScoreStatus("done")


class AheadScorer:
    """A ``Scorer`` over one whose answers are there when asked for; ``history`` is in event-time order.

    It looks as many rows ahead as the version has scored before, so that at most about twice the rows
    that are needed are scored; and not at all for scores that are not kept.
    """

    def __init__(self, scorer: Scorer, history: pa.Table) -> None:
        self._scorer, self._history = scorer, history
        self._events = microseconds_of(history["event_at"].combine_chunks())
        self._scored: Counter[Version] = Counter()
        self._answers: dict[Version, pa.Table] = {}
        """The last of each version that reached ahead."""
        self._answered: set[str] = set()
        self._reaching: dict[str, ScoreJob] = {}
        """Jobs as they were asked for, while more is scored."""

    def submit(self, job: ScoreJob) -> None:
        if not job.key.startswith(KEPT):
            self._scorer.submit(job)
        elif (known := self._known(job)) is not None:
            pq.write_table(known, job.output_path, use_dictionary=False)
            self._answered.add(job.key)
        else:
            self._scorer.submit(self._reaching_ahead(job))

    def poll(self, key: str) -> ScoreStatus:
        if key in self._answered:
            return DONE
        status, job = self._scorer.poll(key), self._reaching.pop(key, None)
        if job is None:
            return status
        if status.state == "done":
            self._answers[job.version.version] = pq.ParquetFile(job.output_path).read()
            return status
        # Rows to come may be why it failed: those that are there are scored alone.
        self._scorer.forget(key)
        self._scorer.submit(job)
        return self._scorer.poll(key)

    def forget(self, key: str) -> None:
        self._answered.discard(key)
        self._reaching.pop(key, None)
        self._scorer.forget(key)

    def _known(self, job: ScoreJob) -> pa.Table | None:
        """The scores of all rows of the job, where the last answer reached so far."""
        answer = self._answers.get(job.version.version)
        if answer is None:
            return None
        ids = pq.ParquetFile(job.rows_path).read(["row_id"])["row_id"]
        places = pc.index_in(ids.combine_chunks(), value_set=answer["row_id"].combine_chunks())
        if places.null_count:
            return None
        # What lies before is not asked for again: it is in the row log.
        self._answers[job.version.version] = answer.slice(pc.min(places).as_py())
        return answer.take(places)

    def _reaching_ahead(self, job: ScoreJob) -> ScoreJob:
        """The job with rows to come; as it is where none are due."""
        asked = pq.ParquetFile(job.rows_path).read()
        if asked.num_rows >= LARGE:
            return job
        first = int(np.searchsorted(self._events, microseconds_of(asked["event_at"]).max(), side="right"))
        coming = self._history.slice(first, min(self._scored[job.version.version], MOST_AHEAD))
        self._scored[job.version.version] += asked.num_rows + coming.num_rows
        if not coming.num_rows:
            return job
        self._reaching[job.key] = job
        path = str(Path(job.rows_path).with_name("ahead.parquet"))
        both = pa.concat_tables([asked, coming.select(asked.column_names).cast(asked.schema)])
        pq.write_table(both, path, use_dictionary=False)
        return replace(job, rows_path=path)

"""What the rows of history would have lost: each is scored by the version that served when it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.backtest.history import MICROSECOND
from ctrain.clocks import wait_for
from ctrain.domain import ModelVersion, ScoreJob, Version
from ctrain.engine.scored import judged_rows
from ctrain.engine.watch import score_column
from ctrain.errors import PermanentError, TransientError
from ctrain.rows.instants import as_microseconds, microseconds_of
from ctrain.stats.losses import row_losses

if TYPE_CHECKING:
    from ctrain.backtest.history import History
    from ctrain.backtest.replay import Reign
    from ctrain.policy.models import Policy
    from ctrain.ports import RowLog, Scorer, Workspace

Floats = npt.NDArray[np.float64]
Micros = npt.NDArray[np.int64]

PATIENCE_SECONDS = 3600.0
PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Judged:
    """Losses of matured rows in event-time order."""

    events: Micros
    losses: Floats
    """NaN where a row could not be scored."""

    @property
    def mean(self) -> float:
        """The metric of the composite model; NaN without a row."""
        finite = self.losses[np.isfinite(self.losses)]
        return float(finite.mean()) if finite.size else float("nan")

    @property
    def rows(self) -> int:
        return int(np.isfinite(self.losses).sum())

    def since(self, start: datetime) -> Judged:
        """Those of ``start`` or afterwards."""
        first = int(np.searchsorted(self.events, as_microseconds(start)))
        return Judged(self.events[first:], self.losses[first:])


@dataclass(frozen=True, slots=True)
class Point:
    """The metric over one part of the time."""

    start: datetime
    end: datetime
    rows: int
    metric: float
    """NaN without a row."""
    version: Version | None
    """The version in force at the end."""


class Ledger:
    """Scores stretches of history in children; what a version has scored is not scored again.

    Safe to call from several threads.
    """

    def __init__(self, history: History, policy: Policy, scorer: Scorer, workspace: Workspace) -> None:
        self._policy, self._scorer, self._workspace = policy, scorer, workspace
        labelled = history.known.filter(pc.is_valid(history.known["label"]))
        self._rows = labelled
        self._events = microseconds_of(labelled["event_at"].combine_chunks())
        self._jobs = count(1)

    def judge(
        self, reigns: Sequence[Reign], start: datetime, end: datetime, row_log: RowLog | None = None
    ) -> Judged:
        """Return the loss of every labelled row of ``[start, end)`` under the version that served it.

        What ``row_log`` has the scores of is not scored again.

        Raises
        ------
        PermanentError
            when a version cannot score the rows at all.
        """
        parts: list[tuple[Micros, Floats]] = []
        ends = [reign.since_at for reign in reigns[1:]] + [end]
        for reign, until in zip(reigns, ends, strict=True):
            first = int(np.searchsorted(self._events, as_microseconds(max(reign.since_at, start))))
            after = int(np.searchsorted(self._events, as_microseconds(min(until, end))))
            if first < after:
                rows = self._rows.slice(first, after - first)
                known = self._known(reign.version, rows, row_log) if row_log is not None else None
                parts.append((self._events[first:after], self._losses(reign.version, rows, known)))
        if not parts:
            return Judged(np.array([], dtype=np.int64), np.array([]))
        return Judged(np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts]))

    def _known(self, version: ModelVersion, rows: pa.Table, row_log: RowLog) -> Any:
        """The scores given before, null for each row without one; None where scores have classes."""
        instants, name = rows["event_at"], score_column(version.version)
        first, last = instants[0].as_py(), instants[-1].as_py()
        table = row_log.read(first, last + MICROSECOND, scores_of=[version.version])
        scores = table[name].combine_chunks()
        if not pa.types.is_floating(scores.type):
            return None
        ids: Any = rows["row_id"].combine_chunks()
        return scores.take(pc.index_in(ids, value_set=table["row_id"].combine_chunks()))

    def _losses(self, version: ModelVersion, rows: pa.Table, known: Any) -> Floats:
        model = self._policy.model
        if known is None:
            column = self._scores(version, rows)
        elif known.null_count:
            unknown = pc.is_null(known)
            column = pc.replace_with_mask(
                known, unknown, self._scores(version, rows.filter(unknown)).cast(known.type)
            )
        else:
            column = known
        judged = judged_rows(model.task, rows, {version.version: column})
        assert judged.labels is not None
        assert judged.scores is not None
        return row_losses(model.task, model.metric, judged.labels, judged.scores[version.version])

    def _scores(self, version: ModelVersion, rows: pa.Table) -> Any:
        owner, policy = f"ledger-{next(self._jobs)}", self._policy
        features = policy.data.features.names
        asked = rows.select(["row_id", "event_at", *features])
        job = ScoreJob(
            key=owner,
            version=version,
            rows_path=self._workspace.write(owner, "rows.parquet", asked),
            output_path=self._workspace.path(owner, "scores.parquet"),
            features=features,
            task=policy.model.task,
            output=policy.model.output,
            python=policy.model.python or "",
            digest=version.digest,
        )
        self._scorer.submit(job)
        if not wait_for(lambda: self._scorer.poll(owner).state != "running", PATIENCE_SECONDS, PAUSE_SECONDS):
            raise TransientError("scoring takes too long; is the machine busy?")
        status = self._scorer.poll(owner)
        if status.state != "done":
            raise PermanentError(f"version {version.version} cannot score history: {status.message}")
        answer = self._workspace.read(job.output_path)
        assert answer is not None
        self._scorer.forget(owner)
        self._workspace.remove(owner)
        positions = pc.index_in(rows["row_id"].combine_chunks(), value_set=answer["row_id"].combine_chunks())
        return answer["score"].combine_chunks().take(positions)


def series(
    judged: Judged, reigns: Sequence[Reign], start: datetime, end: datetime, steps: int
) -> list[Point]:
    """The metric over ``steps`` equal parts of ``[start, end)``."""
    borders = [start + (end - start) * part / steps for part in range(steps + 1)]
    cuts = np.searchsorted(judged.events, [as_microseconds(border) for border in borders])
    points = []
    for part in range(steps):
        within = Judged(
            judged.events[cuts[part] : cuts[part + 1]], judged.losses[cuts[part] : cuts[part + 1]]
        )
        serving = [reign.version.version for reign in reigns if reign.since_at < borders[part + 1]]
        points.append(
            Point(
                borders[part], borders[part + 1], within.rows, within.mean, serving[-1] if serving else None
            )
        )
    return points

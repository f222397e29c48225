"""Scores as a column that can drift: of the rows that the champion in force served.

The scores of a reference are those of rows that the champion was not trained on: its holdout, or the
first rows that it served. A score comes from what production logged, or else the row is scored in a
child. Of several classes it is the class that production logged; rows without one are left out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ctrain.domain import Champion, Task
from ctrain.engine.instants import EPOCH, ceil_to
from ctrain.engine.panes import CountedGrid, count_panes
from ctrain.engine.scores import load_scored
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.grid import Grid
from ctrain.stats.profile import Profile
from ctrain.stats.reference import PREDICTION, build_reference

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.scored import Scored
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy
    from ctrain.stats.reference import Reference

State = Literal["ready", "counting", "pending", "failed"]


def wants_scores(policy: Policy) -> bool:
    """True when a drift monitor names the prediction."""
    name = policy.data.prediction
    monitors = policy.monitors.values()
    return name is not None and any(
        isinstance(one, DriftMonitor) and name in (one.columns or ()) for one in monitors
    )


def served_from(watch: Watch, champion: Champion | None, scores: Reference | None) -> datetime:
    """Start of the first pane whose scores are those of the champion and none of the reference's."""
    since = champion.since_at if champion else EPOCH
    end = scores.end if scores is not None else None
    return ceil_to(max(since, end or EPOCH), watch.policy.data.pane)


class PredictionReader:
    """Reads ``event_at`` and ``prediction`` of punctual rows; ``absent`` tells why there are none."""

    def __init__(self, watch: Watch, champion: Champion | None) -> None:
        self._watch = watch
        self._champion = champion
        self.absent: Scored | None = None

    def __call__(self, start: datetime, end: datetime) -> pa.Table | None:
        """The rows of ``[start, end)``; None while some of them have to be scored."""
        champion = self._champion
        if champion is None or self._watch.policy.model.task is Task.MULTICLASS:
            return self._logged(start, end)
        scored = load_scored(
            self._watch,
            (champion.version,),
            start,
            end,
            logged_since=champion.since_at,
            unlabelled=True,
        )
        if scored.state != "ready":
            self.absent = scored
            return None
        assert scored.scores is not None
        return as_predictions(scored.table, scored.scores[champion.version])

    def _logged(self, start: datetime, end: datetime) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self._watch.row_log.read(start, end, include_late=False)
        if self._champion is not None and self._watch.policy.data.model_version is not None:
            rows = rows.filter(pc.equal(rows["model_version"], pa.scalar(str(self._champion.version))))
        return rows.filter(pc.is_valid(rows[PREDICTION])).select(["event_at", PREDICTION])


def count_scores(
    watch: Watch, champion: Champion | None, scores: Reference, start: datetime, end: datetime
) -> tuple[State, str]:
    """Count the scores of the panes of ``[start, end)`` as far as they are there, and say if they all are."""
    read = PredictionReader(watch, champion)
    counted = count_panes(watch, [CountedGrid(scores.grid, start)], end, read)
    if read.absent is not None:
        return ("failed" if read.absent.state == "failed" else "pending"), read.absent.message
    return ("ready" if counted else "counting"), ""


def with_scores(reference: Reference, predictions: pa.Table) -> Reference:
    """The reference with the scores of other rows beside its inputs."""
    import pyarrow as pa

    text = pa.types.is_string(predictions.schema.field(PREDICTION).type)
    numeric, categorical = ([], [PREDICTION]) if text else ([PREDICTION], [])
    scores = build_reference(predictions, numeric, categorical, reference.pane)
    grid = Grid({**reference.grid.columns, **scores.grid.columns}, reference.pane)
    whole = reference.profile
    profile = Profile(grid.name, whole.rows, {**whole.columns, **scores.profile.columns})
    return replace(reference, grid=grid, profile=profile, scores=scores, _variability={})


def as_predictions(rows: pa.Table, scores: np.ndarray, classes: tuple[str, ...] = ()) -> pa.Table:
    """``event_at`` and ``prediction``: the score, or of several classes the most probable one."""
    import pyarrow as pa

    values: pa.Array[Any]
    if scores.ndim == 1:
        values = pa.array(scores, pa.float64(), mask=np.isnan(scores))
    else:
        names = np.array(classes, dtype=object)[np.nan_to_num(scores).argmax(axis=1)]
        values = pa.array(names, pa.string(), mask=np.isnan(scores).any(axis=1))
    return rows.select(["event_at"]).append_column(PREDICTION, values)

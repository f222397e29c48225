"""Scores of model versions on rows of the row log, obtained without waiting.

A score comes from what production logged (when the row says which version served it), else from the
sidecar of that version, else a scoring job is queued in a child process and the caller comes back at
a later tick. A row that the model cannot score gets NaN in the sidecar: scored, and unusable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ctrain.domain import Task, Version
from ctrain.engine.child_scores import aligned, child_answer
from ctrain.engine.digests import known_version
from ctrain.engine.kept_scores import keep_scores
from ctrain.engine.matured import with_absent_labels
from ctrain.engine.scored import Scored, as_floats, judged_rows
from ctrain.engine.watch import score_column

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch

__all__ = ["Scored", "as_floats", "load_scored", "scores_folder"]

ROWS_PER_JOB = 100_000
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)
KEPT = "scores-"
"""What keys of jobs begin with whose scores go into the row log; those of others are asked for once."""
JOBS_A_LOOK = 1_000
"""As long as each is answered at once."""


def load_scored(
    watch: Watch,
    versions: Sequence[Version],
    start: datetime,
    end: datetime,
    *,
    logged_since: datetime | None = None,
    unlabelled: bool = False,
) -> Scored:
    """Punctual rows of ``[start, end)`` with the scores of ``versions``.

    ``logged_since`` says from when logged predictions without a version belong to the first of
    ``versions``. Rows without a label keep a NaN score unless production logged one, or scores are
    wanted for them, too (``unlabelled``).
    """
    for _ in range(JOBS_A_LOOK):
        rows = watch.row_log.read(start, end, scores_of=versions, include_late=False)
        table = with_absent_labels(watch.policy, rows)
        missing = {
            version: _missing(watch, table, version, logged_since if position == 0 else None, unlabelled)
            for position, version in enumerate(versions)
        }
        if watch.scores_early:
            missing = {
                version: _early(watch, rows, version, start, logged_since if position == 0 else None)
                for position, (version, rows) in enumerate(missing.items())
            }
        outcome = [_request(watch, version, rows) for version, rows in missing.items() if rows.num_rows]
        if not outcome:
            return _ready(watch, table, versions, logged_since)
        failed = [one for one in outcome if one.state == "failed"]
        if failed:
            return failed[0]
        if any(one.state == "pending" for one in outcome):
            return Scored("pending")
    return Scored("pending")


def _ready(
    watch: Watch, table: pa.Table, versions: Sequence[Version], logged_since: datetime | None
) -> Scored:
    columns = {
        version: _known(watch, table, version, logged_since if position == 0 else None)
        for position, version in enumerate(versions)
    }
    return judged_rows(watch.policy.model.task, table, columns)


def _known(watch: Watch, table: pa.Table, version: Version, logged_since: datetime | None) -> Any:
    """The score column of one version: its sidecar where there is one, else what was logged.

    Of several classes production logs the one that was predicted, and no probabilities: only what
    was scored again counts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if watch.policy.model.task is Task.MULTICLASS:
        return table[score_column(version)]
    sidecar = table[score_column(version)].cast(pa.float64())
    data = watch.policy.data
    if data.prediction is None:
        return sidecar
    if data.model_version is not None:
        served: Any = pc.equal(table["model_version"], pa.scalar(str(version)))
    elif logged_since is not None:
        served = pc.greater_equal(table["event_at"], pa.scalar(logged_since, table["event_at"].type))
    else:
        return sidecar
    logged = pc.if_else(pc.fill_null(served, False), table["prediction"].cast(pa.float64()), None)
    return pc.coalesce(sidecar, logged)


def _missing(
    watch: Watch, table: pa.Table, version: Version, logged_since: datetime | None, unlabelled: bool
) -> pa.Table:
    """Labelled rows (or all) that have no score of this version."""
    import pyarrow.compute as pc

    absent = pc.is_null(_known(watch, table, version, logged_since))
    if not unlabelled:
        absent = pc.and_(pc.is_valid(table["label"]), absent)
    return table.filter(absent).slice(0, ROWS_PER_JOB)


def _early(
    watch: Watch, missing: pa.Table, version: Version, start: datetime, logged_since: datetime | None
) -> pa.Table:
    """Where scores are missing, all rows from ``start`` on that have none, with a label or without."""
    if not missing.num_rows:
        return missing
    rows = watch.row_log.read(start, END_OF_TIME, scores_of=[version], include_late=False)
    return _missing(watch, with_absent_labels(watch.policy, rows), version, logged_since, unlabelled=True)


def _request(watch: Watch, version: Version, rows: pa.Table) -> Scored:
    """Queue the scoring of ``rows``, or collect into the sidecar what was asked for before.

    There is one job per version at a time, whoever asked for it; once its answer has been collected
    it is seen anew which rows are still missing.
    """
    key = scores_folder(watch.name, version)
    model = known_version(watch, version)
    answer = child_answer(watch, key, model, rows)
    if isinstance(answer, Scored):
        return answer
    asked = watch.workspace.read(watch.workspace.path(key, "rows.parquet"))
    if asked is not None:
        keep_scores(watch, version, _answered(watch.policy.model.task, asked, answer))
    watch.workspace.remove(key)
    watch.scorer.forget(key)
    return Scored("ready")


def scores_folder(policy: PolicyName, version: Version) -> str:
    """Where in the workspace rows lie that a version is to score, and its answer until it is collected."""
    return f"{KEPT}{policy}-{version}"


def _answered(task: Task, asked: pa.Table, answer: pa.Table) -> pa.Table:
    """row_id, event_at and score of the rows that the answer speaks of.

    NaN, or for several classes a struct whose fields are all null: it cannot be scored.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    spoken_of = pc.is_in(asked["row_id"], value_set=answer["row_id"].combine_chunks())
    rows = asked.filter(spoken_of)
    found = aligned(rows, answer)
    scores = _by_class(found) if task is Task.MULTICLASS else pa.array(as_floats(found), from_pandas=False)
    return rows.select(["row_id", "event_at"]).append_column("score", scores)


def _by_class(found: Any) -> Any:
    """Structs without a null among them; where no row could be scored the classes have no names."""
    import pyarrow as pa

    if not pa.types.is_struct(found.type):
        return pa.StructArray.from_arrays([pa.nulls(len(found), pa.float64())], names=[""])
    return pa.StructArray.from_arrays(found.flatten(), names=[field.name for field in found.type])

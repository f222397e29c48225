"""Scores of model versions on rows of the row log, obtained without waiting.

A score comes from what production logged (when the row says which version served it), else from the
sidecar of that version, else a scoring job is queued in a child process and the caller comes back at
a later tick. A row that the model cannot score gets NaN in the sidecar: scored, and unusable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, ModelVersion, ScoreJob, ScoreStatus, Task, Version
from ctrain.engine.digests import known_version
from ctrain.engine.kept_scores import keep_scores
from ctrain.engine.matured import with_absent_labels
from ctrain.engine.scored import Scored, as_floats, judged_rows
from ctrain.engine.troubles import bounded
from ctrain.engine.watch import score_column

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch

__all__ = ["Scored", "as_floats", "load_scored", "measure_serving", "score_rows", "scores_folder"]

ATTEMPTS = 3
RETRY_SECONDS = 5.0
PAUSE_SECONDS = 60.0
"""Between attempts once it has been said that rows cannot be scored."""
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
    answer = _answer(watch, key, model, rows)
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
    found = _aligned(rows, answer)
    scores = _by_class(found) if task is Task.MULTICLASS else pa.array(as_floats(found), from_pandas=False)
    return rows.select(["row_id", "event_at"]).append_column("score", scores)


def _by_class(found: Any) -> Any:
    """Structs without a null among them; where no row could be scored the classes have no names."""
    import pyarrow as pa

    if not pa.types.is_struct(found.type):
        return pa.StructArray.from_arrays([pa.nulls(len(found), pa.float64())], names=[""])
    return pa.StructArray.from_arrays(found.flatten(), names=[field.name for field in found.type])


def score_rows(watch: Watch, key: str, model: ModelVersion, rows: pa.Table) -> Scored:
    """Score ``rows`` (row_id, event_at and features) in a child; the same key gives the same answer.

    Once ready, ``table`` is ``rows`` with the scores as the column that ``score_column`` names.
    Survives restarts: the answer is a file that appears whole. Failures are tried again,
    ``RETRY_SECONDS`` of real time apart; from the third on the answer is "failed" until one succeeds.
    """
    answer = _answer(watch, key, model, rows)
    if isinstance(answer, Scored):
        return answer
    return Scored("ready", table=rows.append_column(score_column(model.version), _aligned(rows, answer)))


def _answer(watch: Watch, key: str, model: ModelVersion, rows: pa.Table) -> pa.Table | Scored:
    """What the child answered, or why there is nothing yet."""
    output = watch.workspace.path(key, "scores.parquet")
    answer = watch.workspace.read(output)
    if answer is None:
        status = _asked(watch, key, lambda: _job(watch, key, model, rows, output))
        if status.state == "failed":
            return _after_failure(watch, key, model, status.message)
        if status.state != "done":
            return Scored("pending")
        answer = watch.workspace.read(output)
        if answer is None:
            watch.scorer.forget(key)
            return Scored("pending")
    _succeeded(watch, key)
    return answer


def _asked(watch: Watch, key: str, job: Callable[[], ScoreJob]) -> ScoreStatus:
    """What has become of a job, which is submitted when nobody has done so."""
    status = watch.scorer.poll(key)
    if status.state == "absent":
        watch.scorer.submit(job())
        status = watch.scorer.poll(key)
    return status


def _after_failure(watch: Watch, key: str, model: ModelVersion, message: str) -> Scored:
    """Wait, then let it be tried again; after ``ATTEMPTS`` failures say so while waiting longer."""
    now, message = watch.timer.monotonic(), bounded(watch.redact(message))
    if key not in watch.retry_at:
        watch.failures[key] = watch.failures.get(key, 0) + 1
        tired = watch.failures[key] >= ATTEMPTS
        watch.retry_at[key] = now + (PAUSE_SECONDS if tired else RETRY_SECONDS)
        watch.telemetry.log("scoring_failed", policy=watch.name, version=model.version, message=message)
    elif now >= watch.retry_at[key]:
        del watch.retry_at[key]
        watch.scorer.forget(key)
        return Scored("pending")
    if watch.failures[key] < ATTEMPTS:
        return Scored("pending")
    return Scored("failed", message=f"version {model.version} cannot score rows: {message}")


def measure_serving(watch: Watch, key: str, model: ModelVersion, rows: pa.Table) -> Scored | Json:
    """What serving ``model`` costs, measured on ``rows`` in a clean child; or that it is pending or failed.

    Failures are tried again as ``score_rows`` does; a restart measures anew.
    """
    output = watch.workspace.path(key, "scores.parquet")
    status = _asked(watch, key, lambda: replace(_job(watch, key, model, rows, output), probe=True))
    if status.state == "failed":
        return _after_failure(watch, key, model, status.message)
    if status.state == "done":
        _succeeded(watch, key)
        return status.measured
    return Scored("pending")


def _succeeded(watch: Watch, key: str) -> None:
    watch.failures.pop(key, None)
    watch.retry_at.pop(key, None)


def _job(watch: Watch, key: str, model: ModelVersion, rows: pa.Table, output: str) -> ScoreJob:
    policy = watch.policy
    features = policy.data.features.names
    return ScoreJob(
        key=key,
        version=model,
        rows_path=watch.workspace.write(key, "rows.parquet", rows.select(["row_id", "event_at", *features])),
        output_path=output,
        features=features,
        task=policy.model.task,
        output=policy.model.output,
        python=policy.model.python or "",
        digest=model.digest,
        launcher=policy.train.launcher.told,
    )


def _aligned(rows: pa.Table, answer: pa.Table) -> Any:
    """The score column of ``answer`` in the order of ``rows``; null where the child gave none."""
    import pyarrow.compute as pc

    ids: Any = rows["row_id"].combine_chunks()
    return (
        answer["score"].combine_chunks().take(pc.index_in(ids, value_set=answer["row_id"].combine_chunks()))
    )

"""Scores that child processes give: asked for once, waited for over ticks, tried again where they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, ModelVersion, ScoreJob, ScoreStatus
from ctrain.engine.scored import Scored
from ctrain.engine.troubles import bounded
from ctrain.engine.watch import score_column
from ctrain.errors import TransientError

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

ATTEMPTS = 3
RETRY_SECONDS = 5.0
PAUSE_SECONDS = 60.0
"""Between attempts once it has been said that rows cannot be scored."""
UNFETCHED_ATTEMPTS = 60
"""About an hour: an artifact store that is away for less costs no run."""


def score_rows(watch: Watch, key: str, model: ModelVersion, rows: pa.Table) -> Scored:
    """Score ``rows`` (row_id, event_at and features) in a child; the same key gives the same answer.

    Once ready, ``table`` is ``rows`` with the scores as the column that ``score_column`` names.
    Survives restarts: the answer is a file that appears whole. Failures are tried again,
    ``RETRY_SECONDS`` of real time apart; from the third on the answer is "failed" until one succeeds.

    Raises
    ------
    TransientError
        from the third failure on, for an hour, when the artifact store does not give the artifact.
    """
    answer = child_answer(watch, key, model, rows)
    if isinstance(answer, Scored):
        return _lasting(answer)
    return Scored("ready", table=rows.append_column(score_column(model.version), aligned(rows, answer)))


def child_answer(watch: Watch, key: str, model: ModelVersion, rows: pa.Table) -> pa.Table | Scored:
    """What the child answered, or why there is nothing yet."""
    output = watch.workspace.path(key, "scores.parquet")
    answer = watch.workspace.read(output)
    if answer is None:
        status = _asked(watch, key, lambda: _job(watch, key, model, rows, output))
        if status.state == "failed":
            return _after_failure(watch, key, model, status)
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


def _lasting(scored: Scored) -> Scored:
    """What is not ready for a reason that lasts; raises TransientError for one that may pass."""
    if scored.passing:
        raise TransientError(scored.message)
    return scored


def _after_failure(watch: Watch, key: str, model: ModelVersion, status: ScoreStatus) -> Scored:
    """Wait, then let it be tried again; after ``ATTEMPTS`` failures say so while waiting longer."""
    now, message = watch.timer.monotonic(), bounded(watch.redact(status.message))
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
    if status.fetched:
        return Scored("failed", message=f"version {model.version} cannot score rows: {message}")
    return Scored(
        "failed",
        message=f"the artifact of version {model.version} cannot be fetched: {message}",
        passing=watch.failures[key] < UNFETCHED_ATTEMPTS,
    )


def measure_serving(watch: Watch, key: str, model: ModelVersion, rows: pa.Table) -> Scored | Json:
    """What serving ``model`` costs, measured on ``rows`` in a clean child; or that it is pending or failed.

    Failures are tried again as ``score_rows`` does; a restart measures anew.
    """
    output = watch.workspace.path(key, "scores.parquet")
    status = _asked(watch, key, lambda: replace(_job(watch, key, model, rows, output), probe=True))
    if status.state == "failed":
        return _lasting(_after_failure(watch, key, model, status))
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


def aligned(rows: pa.Table, answer: pa.Table) -> Any:
    """The score column of ``answer`` in the order of ``rows``; null where the child gave none."""
    import pyarrow.compute as pc

    ids: Any = rows["row_id"].combine_chunks()
    return (
        answer["score"].combine_chunks().take(pc.index_in(ids, value_set=answer["row_id"].combine_chunks()))
    )

"""QUEUED and TRAINING: split the rows, train in a child, collect the version it registered.

The split is ctrain's: the child gets the older rows only, the newest share is held out for the gates.
The job is found again by run id and attempt, so a crash of the daemon neither loses nor doubles it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ctrain.domain import (
    IngestState,
    JobState,
    JobStatus,
    Json,
    Phase,
    Run,
    TrainingContext,
    TrainingJob,
    Version,
)
from ctrain.engine.matured import (
    EPOCH_START,
    MIN_HOLDOUT_ROWS,
    MIN_TRAINING_ROWS,
    labelled_rows,
    matured_until,
)
from ctrain.engine.moves import MOVED, WAITING, Step, found_in, keep, move, with_details
from ctrain.lifecycle.transitions import RunEvent
from ctrain.policy.models import AllRows, LastWindow

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

RETRY_BASE = timedelta(seconds=10)


def prepare(watch: Watch, run: Run) -> Step:
    """QUEUED -> TRAINING: write the training rows and the holdout, both fixed from here on."""
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
        champion = tx.champion(watch.name)
    rows, cut_off = _training_rows(watch, state)
    halves = _split(rows, watch.policy.train.holdout) if rows is not None else None
    if halves is None or cut_off is None:
        count = 0 if rows is None else rows.num_rows
        move(watch, run, RunEvent.FAIL, f"{count} matured labelled rows are too few to train and to hold out")
        return MOVED
    train, holdout = halves
    watch.workspace.write(run.id, "rows.parquet", _as_contracted(watch, train))
    watch.workspace.write(run.id, "holdout.parquet", holdout)
    found = {
        "rows": train.num_rows,
        "holdout_rows": holdout.num_rows,
        "window_start": _instant(train, 0).isoformat(),
        "holdout_start": _instant(holdout, 0).isoformat(),
        "cut_off": cut_off.isoformat(),
        "attempt": 1,
        "started_at": watch.timer.now().isoformat(),
    }
    run = with_details(run, "training", found)
    run = replace(run, champion_version=champion.version if champion else None)
    move(
        watch,
        run,
        RunEvent.PREPARE,
        f"{train.num_rows} rows to train on, {holdout.num_rows} held out",
        evidence=found,
    )
    return MOVED


def _training_rows(watch: Watch, state: IngestState) -> tuple[pa.Table | None, datetime | None]:
    end = matured_until(state, watch.policy)
    if end is None:
        return None, None
    match watch.policy.train.window:
        case LastWindow(last=last):
            start = end - last
        case AllRows():
            start = EPOCH_START
        case window:
            raise TypeError(f"training window {window!r} is refused when a policy is run")
    return labelled_rows(watch, start, end), end


def _split(rows: pa.Table, share: float) -> tuple[pa.Table, pa.Table] | None:
    """The newest share is held out; rows of one instant stay on one side. None: too few for both."""
    import pyarrow.compute as pc

    held_out = int(rows.num_rows * share)
    if not held_out:
        return None
    border = rows["event_at"][rows.num_rows - held_out]
    older = pc.less(rows["event_at"], border)
    train, holdout = rows.filter(older), rows.filter(pc.invert(older))
    enough = train.num_rows >= MIN_TRAINING_ROWS and holdout.num_rows >= MIN_HOLDOUT_ROWS
    return (train, holdout) if enough else None


def _as_contracted(watch: Watch, rows: pa.Table) -> pa.Table:
    """What a training function sees: the features and the label under its own name."""
    data = watch.policy.data
    names = [*data.features.names, "label"]
    return rows.select(names).rename_columns([*data.features.names, data.labels.label])


def _instant(table: pa.Table, position: int) -> datetime:
    value = table["event_at"][position].as_py()
    assert isinstance(value, datetime)
    return value


def train(watch: Watch, run: Run) -> Step:
    """TRAINING: start the child, watch it, try again when it failed, collect what it registered."""
    attempt = int(found_in(run, "training")["attempt"])
    folder = watch.workspace.folder(run.id, attempt)
    status = watch.launcher.poll(run.id, attempt, folder)
    match status.state:
        case JobState.ABSENT:
            if watch.timer.monotonic() < watch.retry_at.get(run.id, 0.0):
                return WAITING
            watch.workspace.place(watch.workspace.path(run.id, "rows.parquet"), folder, "rows.parquet")
            watch.launcher.start(training_job(watch, run, attempt, folder))
            return WAITING
        case JobState.RUNNING:
            return WAITING
        case JobState.SUCCEEDED:
            return _collect(watch, run, status)
        case _:
            return _retry(watch, run, attempt, status)


def _collect(watch: Watch, run: Run, status: JobStatus) -> Step:
    result = status.result
    importance = dict(result.get("importance") or {})
    run = with_details(run, "training", {"result": dict(result), "importance": importance})
    run = replace(
        run, challenger_version=Version(str(result["version"])), mlflow_run_id=result["mlflow_run_id"]
    )
    if _tried_before(watch, run, _content(result)):
        move(
            watch,
            run,
            RunEvent.REJECT,
            "the same artifact was rejected in an earlier run; it is not tried again",
        )
        return MOVED
    run = _against_present_champion(watch, run)
    seconds = float(result.get("train_seconds", 0.0))
    move(watch, run, RunEvent.TRAINED, f"version {run.challenger_version} trained in {seconds:.1f} s")
    return MOVED


def _against_present_champion(watch: Watch, run: Run) -> Run:
    """The champion may have changed while the child was training: compare with the present one."""
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    return replace(run, champion_version=champion.version if champion else None)


def _content(result: Json) -> str:
    """Digest of what the model computes with: without the run and the time that MLflow writes into it."""
    return str(result.get("content_digest") or result.get("digest"))


def _tried_before(watch: Watch, run: Run, content: str) -> bool:
    with watch.store.read() as tx:
        earlier = tx.runs(watch.name, limit=200)
    return any(
        one.phase in {Phase.REJECTED, Phase.ROLLED_BACK}
        and _content(found_in(one, "training").get("result", {})) == content
        for one in earlier
        if one.id != run.id
    )


def _retry(watch: Watch, run: Run, attempt: int, status: JobStatus) -> Step:
    watch.telemetry.log(
        "training_failed", policy=watch.name, run=run.id, attempt=attempt, message=status.message
    )
    failures = [*found_in(run, "training").get("failures", []), f"{status.state.value}: {status.message}"]
    if attempt > watch.policy.train.retries:
        run = with_details(run, "training", {"failures": failures})
        move(watch, run, RunEvent.FAIL, f"training failed {attempt} times; last: {failures[-1]}")
        return MOVED
    watch.retry_at[run.id] = watch.timer.monotonic() + RETRY_BASE.total_seconds() * 2 ** (attempt - 1)
    keep(watch, with_details(run, "training", {"attempt": attempt + 1, "failures": failures}))
    return WAITING


def training_job(watch: Watch, run: Run, attempt: int, folder: str) -> TrainingJob:
    """Everything the child needs to train this run."""
    policy, found = watch.policy, found_in(run, "training")
    params: dict[str, Any] = {**policy.train.params, **found_in(run, "request").get("params", {})}
    features = policy.data.features.by_kind
    context = TrainingContext(
        policy=policy.policy,
        run_id=run.id,
        task=policy.model.task.value,
        label=policy.data.labels.label,
        features=features,
        window_start=found["window_start"],
        window_end=found["holdout_start"],
        params=params,
    )
    return TrainingJob(
        run_id=run.id,
        attempt=attempt,
        folder=folder,
        entrypoint=policy.train.entrypoint or "",
        code_folder=str(watch.loaded.folder),
        python=policy.train.python or "",
        timeout=policy.train.timeout,
        memory_limit_bytes=policy.train.memory_limit,
        context=context,
        registration=_registration(watch, run),
    )


def _registration(watch: Watch, run: Run) -> dict[str, Any]:
    policy, found = watch.policy, found_in(run, "training")
    reason = f"{run.trigger}: {run.reason}"
    return {
        "model": policy.model.name,
        "experiment": policy.policy,
        "run_name": f"{policy.policy} {run.created_at:%Y-%m-%d %H:%M} {run.trigger}",
        "dataset": f"{policy.policy} {found['window_start'][:10]} to {found['holdout_start'][:10]}",
        "policy_text": run.policy_text,
        "reason": reason,
        "metric": policy.model.metric,
        "params": {"holdout": str(policy.train.holdout), "holdout_rows": str(found["holdout_rows"])},
        "tags": {
            "ctrain.run_id": run.id,
            "ctrain.policy": policy.policy,
            "ctrain.trigger": run.trigger,
            "ctrain.reason": run.reason[:400],
            "ctrain.actor": run.actor,
            "ctrain.policy_hash": run.policy_hash,
            "ctrain.window_start": found["window_start"],
            "ctrain.window_end": found["holdout_start"],
            "ctrain.cut_off": found["cut_off"],
        },
        "description": f"Trained by ctrain because of {reason}",
    }

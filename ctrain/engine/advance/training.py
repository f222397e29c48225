"""QUEUED and TRAINING: split the rows, train in a child, collect the version it registered.

The split is ctrain's: the child gets the older rows only, the newest share is held out for the gates.
The job is found again by run id and attempt, so a crash of the daemon neither loses nor doubles it.
In a blackout nothing is begun; a training that runs goes on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.domain import (
    JobState,
    JobStatus,
    Json,
    Phase,
    Run,
    Version,
)
from ctrain.engine.advance.learnability import files_to_look_at, ready_to_look
from ctrain.engine.advance.reuse import known_training, tell_reused
from ctrain.engine.advance.stopping import since_launch, with_time
from ctrain.engine.advance.training_job import is_refit, training_job
from ctrain.engine.advance.training_rows import (
    HOLDOUT_FILE,
    files_of,
    instant,
    split,
    training_window,
    write_rows,
)
from ctrain.engine.moves import IDLE, MOVED, WAITING, Step, found_in, keep, move, with_details
from ctrain.engine.troubles import bounded
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

RETRY_BASE = timedelta(seconds=10)


def prepare(watch: Watch, run: Run) -> Step:
    """QUEUED -> TRAINING: write the training rows and the holdout, both fixed from here on."""
    if watch.blackout_until() is not None:
        return IDLE
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
        champion = tx.champion(watch.name)
    run = replace(run, champion_version=champion.version if champion else None)
    window = training_window(watch, run, state)
    halves = split(watch, window.rows) if window is not None else None
    if halves is None or window is None:
        count = 0 if window is None else window.rows.num_rows
        move(watch, run, RunEvent.FAIL, f"{count} matured labelled rows are too few to train and to hold out")
        return MOVED
    train, holdout = halves
    write_rows(watch, run, train)
    watch.workspace.write(run.id, HOLDOUT_FILE, holdout)
    found = {
        "rows": train.num_rows,
        "holdout_rows": holdout.num_rows,
        "window_start": instant(train, 0).isoformat(),
        "holdout_start": instant(holdout, 0).isoformat(),
        "cut_off": window.end.isoformat(),
        "window": window.why,
        "attempt": 1,
        "started_at": watch.timer.now().isoformat(),
    }
    found |= known_training(watch, run, refit=False)
    run = with_details(run, "training", found)
    reason = f"{train.num_rows} rows to train on, {holdout.num_rows} held out"
    move(
        watch,
        run,
        RunEvent.PREPARE,
        f"{reason}: {window.why}" if window.why else reason,
        evidence=found,
        also=tell_reused(watch, run, found),
    )
    return MOVED


def train(watch: Watch, run: Run) -> Step:
    """TRAINING, or a refit: start the child, watch it, try again when it failed, collect its version.

    Nothing is started where an earlier run has trained the same.
    """
    if found_in(run, "training").get("reused"):
        return _collect_again(watch, run)
    attempt = int(found_in(run, "training")["attempt"])
    folder = watch.workspace.folder(run.id, attempt)
    status = watch.launcher.poll(run.id, attempt, folder)
    match status.state:
        case JobState.ABSENT:
            if watch.timer.monotonic() < watch.retry_at.get(run.id, 0.0):
                return WAITING
            if watch.blackout_until() is not None:
                return IDLE
            return _launch(watch, run, attempt, folder)
        case JobState.RUNNING:
            return WAITING
        case JobState.SUCCEEDED:
            return _collect(watch, run, status)
        case _:
            return _retry(watch, run, attempt, status)


def _launch(watch: Watch, run: Run, attempt: int, folder: str) -> Step:
    ready = ready_to_look(watch, run)
    if isinstance(ready, Step):
        return ready
    run = keep(watch, with_details(ready, "training", {"started_at": watch.timer.now().isoformat()}))
    files = files_of(watch, refit=is_refit(run)) | files_to_look_at(run)
    for name, source in files.items():
        watch.workspace.place(watch.workspace.path(run.id, source), folder, name)
    watch.launcher.start(training_job(watch, run, attempt, folder))
    return WAITING


def _collect(watch: Watch, run: Run, status: JobStatus) -> Step:
    result = {name: value for name, value in status.result.items() if name != "learnable"}
    refused = result.get("refused")
    seconds = float(result.get("train_seconds", 0.0))
    run = with_time(watch, run, timedelta(seconds=seconds), trained=not refused)
    if "learnable" in status.result:
        known = found_in(run, "training").get("learnable", {})
        run = with_details(run, "training", {"learnable": {**known, **status.result["learnable"]}})
    if refused:
        run = replace(run, mlflow_run_id=result["mlflow_run_id"])
        move(watch, run, RunEvent.REJECT, refused, evidence=found_in(run, "training")["learnable"])
        return MOVED
    verdict = found_in(run, "training").get("learnable", {}).get("verdict")
    seen = f"; before that: {verdict.replace('_', ' ')}" if verdict and not is_refit(run) else ""
    return _take(watch, run, result, f"trained in {seconds:.1f} s{seen}")


def _collect_again(watch: Watch, run: Run) -> Step:
    """Take the version of the earlier run; it is no challenger of itself."""
    training = found_in(run, "training")
    earlier, result = training["reused"], training["result"]
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    if champion is not None and champion.version == str(result["version"]):
        told = f"rows, code and parameters are those of run {earlier}, whose version is the champion"
        move(watch, run, RunEvent.REJECT, told)
        return MOVED
    return _take(watch, run, result, f"reused from run {earlier}: rows, code and parameters are the same")


def _trained(run: Run) -> Json:
    """What there is to know of the version that was trained, for the record."""
    result = found_in(run, "training")["result"]
    known = ("version", "digest", "content_digest", "mlflow_run_id", "train_seconds", "unverified_holdout")
    return {name: result[name] for name in known if name in result}


def _take(watch: Watch, run: Run, result: Json, how: str) -> Step:
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
    if is_refit(run):
        return _collect_refit(watch, run, how)
    run = _against_present_champion(watch, run)
    told = f"version {run.challenger_version} {how}"
    move(watch, run, RunEvent.TRAINED, told, evidence=_trained(run))
    return MOVED


def _collect_refit(watch: Watch, run: Run, how: str) -> Step:
    """The gates have been passed against a champion: should it be another by now, the run ends there."""
    told = f"version {run.challenger_version}, fitted on all rows: {how}"
    event = watch.event("refitted", told, run_id=run.id, evidence=_trained(run))
    keep(
        watch,
        with_details(run, "training", {"refitting": False}),
        also=lambda tx: tx.append_event(event),
    )
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
        one.phase in {Phase.REJECTED, Phase.ROLLED_BACK} and _content(_challenged_by(one)) == content
        for one in earlier
        if one.id != run.id
    )


def _challenged_by(run: Run) -> Json:
    """The result whose version was the challenger; a run may end without one, its version the champion."""
    result: Json = found_in(run, "training").get("result", {})
    return result if run.challenger_version == str(result.get("version")) else {}


def _retry(watch: Watch, run: Run, attempt: int, status: JobStatus) -> Step:
    message = bounded(watch.redact(status.message))
    watch.telemetry.log("training_failed", policy=watch.name, run=run.id, attempt=attempt, message=message)
    run = with_time(watch, run, since_launch(watch, run), trained=False)
    failures = [*found_in(run, "training").get("failures", []), f"{status.state.value}: {message}"]
    tried = attempt - int(found_in(run, "training").get("first_attempt", 1)) + 1
    if tried > watch.policy.train.retries:
        run = with_details(run, "training", {"failures": failures})
        move(watch, run, RunEvent.FAIL, f"training failed {tried} times; last: {failures[-1]}")
        return MOVED
    watch.retry_at[run.id] = watch.timer.monotonic() + RETRY_BASE.total_seconds() * 2 ** (tried - 1)
    keep(watch, with_details(run, "training", {"attempt": attempt + 1, "failures": failures}))
    return WAITING

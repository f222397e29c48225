"""A training whose run ends first: the job is stopped, and its time counts against the budget."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import JobState, Phase, Run
from ctrain.engine.advance.training_job import refitting
from ctrain.engine.moves import found_in, with_details
from ctrain.triggers.training_time import TimeSpent, with_attempt

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def stop_training(watch: Watch, run: Run) -> Run:
    """The run, whose job has been stopped, with the time that it took if it had been launched."""
    if run.phase is not Phase.TRAINING and not (run.phase is Phase.EVALUATING and refitting(run)):
        return run
    attempt = int(found_in(run, "training").get("attempt", 1))
    folder = watch.workspace.folder(run.id, attempt)
    watch.launcher.stop(run.id, attempt, folder)
    status = watch.launcher.poll(run.id, attempt, folder)
    if status.state is JobState.ABSENT:
        return run
    if status.state is not JobState.SUCCEEDED:
        return with_time(watch, run, since_launch(watch, run), trained=False)
    took = timedelta(seconds=float(status.result.get("train_seconds", 0.0)))
    return with_time(watch, run, took, trained=not status.result.get("refused"))


def with_time(watch: Watch, run: Run, took: timedelta, *, trained: bool) -> Run:
    """The run with one more attempt, which has ended now."""
    attempt = TimeSpent(watch.clock.now(), took, trained)
    return with_details(run, "training", with_attempt(found_in(run, "training"), attempt))


def since_launch(watch: Watch, run: Run) -> timedelta:
    """How long an attempt that brought no model took, at most; nobody may have looked when it ended."""
    launched = found_in(run, "training").get("started_at")
    passed = watch.timer.now() - datetime.fromisoformat(launched) if launched else timedelta(0)
    return min(max(passed, timedelta(0)), watch.policy.train.timeout)

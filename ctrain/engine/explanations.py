"""Why a drift trigger fired, in pictures: made in a child, attached to the MLflow run of the retraining.

An explanation decides nothing. Whatever goes wrong with it is logged and tried a few times, while the
run goes its way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctrain.domain import AnalysisJob, MonitorName, Run, Status, Verdict
from ctrain.engine.analyses import ATTEMPTS, settled
from ctrain.engine.pictures import INPUT_MONITORS, picture_request, pictured_rows
from ctrain.errors import CtrainError, StateConflict, TransientError
from ctrain.policy.triggers import Condition, Trigger

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy

RUNS_LOOKED_AT = 5
VERDICTS_LOOKED_AT = 500
PAUSE_SECONDS = 60.0
EVENT = "explained"
FOLDER = "explanation"
"""In the run's folder, and among the artifacts of its MLflow run."""


def explain(watch: Watch) -> None:
    """Take one more step with the explanations of the newest runs; nothing that fails there stops a tick."""
    if not watch.registry_view.readable or not any(
        _input_monitors(watch.policy, one) for one in watch.policy.triggers.values()
    ):
        return
    _tried(watch, "champion", lambda: _sampled_in_time(watch))
    with watch.store.read() as tx:
        runs = tx.runs(watch.name, limit=RUNS_LOOKED_AT)
    for run in runs:
        if run.id not in watch.explained and _tried(watch, run.id, _step(watch, run)):
            watch.explained.add(run.id)


def _step(watch: Watch, run: Run) -> Callable[[], bool]:
    return lambda: _explained(watch.for_run(run), run)


def _tried(watch: Watch, what: str, step: Callable[[], bool]) -> bool:
    """What ``step`` says: whether nothing is left to do; a step that fails too often is left, too."""
    key, now = f"explanation of {what}", watch.timer.monotonic()
    if now < watch.retry_at.get(key, 0.0):
        return False
    try:
        return step()
    except StateConflict:
        raise
    except (CtrainError, OSError, ValueError, LookupError) as error:
        message = f"{type(error).__name__}: {error}"
        watch.telemetry.log("explanation_failed", policy=watch.name, what=what, message=message)
        watch.retry_at[key] = now + PAUSE_SECONDS
        watch.failures[key] = watch.failures.get(key, 0) + 1
        return watch.failures[key] >= ATTEMPTS and not isinstance(error, TransientError)


def _sampled_in_time(watch: Watch) -> bool:
    """Sample what the champion was trained on: the rows may be gone when a trigger fires."""
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    if champion is None or pictured_rows(watch, champion) is not None:
        return True
    watch.retry_at["explanation of champion"] = watch.timer.monotonic() + PAUSE_SECONDS
    return False


def _input_monitors(policy: Policy, trigger: Trigger | None) -> list[MonitorName]:
    """The monitors of a condition that say something of columns; none for other triggers."""
    if not isinstance(trigger, Condition):
        return []
    names = [MonitorName(name) for name in trigger.monitors]
    return [name for name in names if isinstance(policy.monitors.get(name), INPUT_MONITORS)]


def _explained(watch: Watch, run: Run) -> bool:
    """Ask for the pictures of a run, or attach them; True when nothing is left to do."""
    names = _input_monitors(watch.policy, watch.policy.triggers.get(run.trigger))
    if not names or _is_on_record(watch, run):
        return True
    key = f"{run.id}/{FOLDER}"
    status = watch.analyst.poll(key)
    if status.state == "absent":
        verdicts = [] if run.phase.ended else _fired_on(watch, run, names)
        if not verdicts:
            return True
        with watch.store.read() as tx:
            champion = tx.champion(watch.name)
        watch.analyst.submit(AnalysisJob(key, "report", picture_request(watch, champion, verdicts, key)))
        status = watch.analyst.poll(key)
    made = settled(watch, key, status)
    if made is None:
        return False
    if made.state == "failed":
        watch.telemetry.log("explanation_failed", policy=watch.name, what=run.id, message=made.message)
        return True
    return _attached(watch, run, made.answer["files"])


def _is_on_record(watch: Watch, run: Run) -> bool:
    with watch.store.read() as tx:
        return any(one.kind == EVENT for one in tx.events(run_id=run.id, limit=1000))


def _fired_on(watch: Watch, run: Run, names: list[MonitorName]) -> list[Verdict]:
    """The newest verdicts that were BREACHED when the run was created."""
    found = []
    with watch.store.read() as tx:
        for name in names:
            verdicts = tx.verdicts(watch.name, name, limit=VERDICTS_LOOKED_AT)
            known = [one for one in verdicts if one.as_of <= run.created_at]
            found += [one for one in known if one.status is Status.BREACHED][:1]
    return found


def _attached(watch: Watch, run: Run, files: dict[str, str]) -> bool:
    """Attach the files once the MLflow run is known; a run that ended without one keeps its folder."""
    if not files:
        return True
    if run.mlflow_run_id is None and not run.phase.ended:
        return False
    if run.mlflow_run_id is None:
        message = f"{len(files)} files lie in the run's folder {FOLDER}: it has no MLflow run"
    else:
        watch.registry.attach_files(
            run.mlflow_run_id, {f"{FOLDER}/{name}": path for name, path in files.items()}
        )
        message = f"{len(files)} files are attached to the MLflow run {run.mlflow_run_id}"
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.append_event(watch.event(EVENT, message, run_id=run.id, evidence={"files": sorted(files)}))
    return True

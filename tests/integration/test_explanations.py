"""Pictures of why a drift trigger fired: made once, attached to the MLflow run, and never in its way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import AnalysisJob, Json, Phase
from ctrain.errors import TransientError
from tests.support.fakes import FakeTimer
from tests.support.world import HOUR, POLICY, START, World

DRIFTING = POLICY.replace("  degraded: {any: [brier], for: 2h}", "  drifted: {any: [inputs, brier]}")
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


def draw(folder: Path) -> Callable[[AnalysisJob], Json]:
    """Two files for whoever asks."""

    def answer(job: AnalysisJob) -> Json:
        files = {name: folder / name for name in ("inputs-over-time.png", "report.html")}
        for name, path in files.items():
            path.write_text(f"{name} of {job.key}")
        return {"files": {name: str(path) for name, path in files.items()}, "failed": {}}

    return answer


def span(table: pa.Table) -> tuple[datetime, datetime]:
    """Event times of the first row and the last."""
    return table["event_at"][0].as_py(), table["event_at"][table.num_rows - 1].as_py()


def fail(job: AnalysisJob) -> Json:
    raise OSError("no space left")


def world(folder: Path, answers: Callable[[AnalysisJob], Json] | None = None) -> World:
    """Inputs have drifted for some hours; a run is about to start."""
    made = World(folder, policy_text=DRIFTING, rows_per_hour=60, answers=answers or draw(folder))
    made.install(2.0, KNOWN)
    made.live(32, step=32)
    made.shift = 1.0
    return made


def test_the_pictures_of_a_drift_are_attached_to_the_mlflow_run(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.launcher.busy = True
    made.land(8)
    made.settle_but_wait()
    (run,) = made.runs()
    assert (run.trigger, run.phase, made.registry.attached) == ("drifted", Phase.TRAINING, {})
    made.launcher.finish()
    made.settle()
    (run,) = made.runs()
    assert run.mlflow_run_id is not None
    assert made.registry.attached[run.mlflow_run_id] == {
        f"explanation/{name}": f"{name} of clicks-1/explanation".encode()
        for name in ("inputs-over-time.png", "report.html")
    }
    made.open()
    made.live(1)
    assert made.kinds().count("explained") == 1
    assert len([job for job in made.analyst.asked if job.role == "report"]) == 0


def test_what_is_pictured_is_what_the_trigger_fired_on(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.reach(Phase.SHADOWING, hours=8)
    made.settle()
    (job,) = made.analyst.asked
    (monitor,) = job.request["monitors"]
    breached = [one for one in made.verdicts() if one.monitor == "inputs" and one.status == "BREACHED"]
    assert monitor["reason"] == breached[0].reason
    assert monitor["history"][-1]["as_of"] == breached[0].as_of.isoformat()
    assert monitor["columns"][0]["column"] == "x"
    assert monitor["columns"][0]["breached"]
    current, reference = pq.read_table(monitor["current"]), pq.read_table(job.request["reference"])
    assert span(current)[1] < breached[0].as_of
    assert span(current)[0] >= breached[0].as_of - 6 * HOUR
    assert span(reference)[1] < START + 24 * HOUR
    assert reference.num_rows == 24 * 60


@pytest.mark.parametrize("trouble", ["fails", "never answers", "cannot be asked", "cannot attach"])
def test_an_explanation_that_cannot_be_had_is_in_nobodys_way(tmp_path: Path, trouble: str) -> None:
    made = world(tmp_path, fail if trouble == "fails" else None)
    made.analyst.busy = trouble == "never answers"

    def listener(call: str, moment: str, arguments: tuple[object, ...]) -> None:
        if trouble == "cannot be asked" and call == "analyst.submit":
            raise OSError("no space left")
        if trouble == "cannot attach" and call == "registry.attach_files":
            raise TransientError("the artifact store is away")

    made.listener = listener
    made.live(8, step=8)
    for _ in range(20):
        made.tick()  # no tick waits for an explanation
    (run,) = made.runs()
    assert run.phase is Phase.SHADOWING
    assert made.registry.attached == {}
    assert "explained" not in made.kinds()
    assert (
        any(event == "explanation_failed" for event, _ in made.telemetry.logged) or trouble == "never answers"
    )
    assert made.telemetry.counted.get(("tick_failures_total", "clicks"), 0) == 0
    if trouble == "cannot attach":
        made.listener = None
        assert isinstance(made.watch.timer, FakeTimer)
        made.watch.timer.seconds += 60
        made.live(1)
        assert "explained" in made.kinds()


def test_a_run_that_no_drift_started_is_not_pictured(tmp_path: Path) -> None:
    made = World(tmp_path, rows_per_hour=60, answers=draw(tmp_path))
    made.install(2.0, KNOWN)
    made.live(32, step=32)
    made.slope = -2.0
    made.live(12, step=12)
    assert made.runs()
    assert made.analyst.asked == []

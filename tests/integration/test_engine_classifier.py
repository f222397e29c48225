"""Domain classifiers in the engine: what they find, when they look, what waits and what fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from ctrain.analysis.separation import answer_inside, answer_separation
from ctrain.domain import AnalysisJob, Json, Outcome, Status, Verdict
from tests.support.fakes import FakeTimer
from tests.support.world import HOUR, POLICY, START, World

WATCHED = """\
monitors:
  inputs: {type: drift, window: 6h, min_rows: 100, fdr: 0.01, min_effect: 0.15}
  joint: {type: domain_classifier, window: 6h, min_rows: 100, sample: 400}
  brier: {type: performance, metric: brier, window: 12h, above: 0.6, min_rows: 100}
triggers:
  together: {any: [joint], for: 2h}
"""
QUIET = POLICY.split("monitors:\n")[0] + WATCHED + POLICY[POLICY.index("limits:") :]
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


def fitted(job: AnalysisJob) -> Json:
    """What a child would find."""
    find = {"separation": answer_separation, "inside": answer_inside}[job.role]
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded can be limited

    with threadpool_limits(1):
        return find(Path(), job.request)


def told_apart(job: AnalysisJob) -> Json:
    """Everything but windows of the reference is told apart."""
    if job.role == "inside":
        return {"aucs": [0.51, 0.52, 0.53]}
    importance = {"x": 0.3, "z": 0.2, "kind": -0.01}
    return {"auc": 0.8, "p_value": 1e-9, "reference_rows": 400, "current_rows": 360, "importance": importance}


def world(folder: Path, answers: Callable[[AnalysisJob], Json] = fitted, policy: str = QUIET) -> World:
    made = World(folder, policy_text=policy, rows_per_hour=60, answers=answers, correlation=0.8)
    made.install(2.0, KNOWN)
    return made


def of(world: World, monitor: str) -> list[Verdict]:
    return [one for one in world.verdicts() if one.monitor == monitor]


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The correlation of two features turns round at hour 42; nothing else does."""
    made = world(tmp_path_factory.mktemp("turned"))
    made.live(42, step=6)
    made.correlation = -0.8
    made.live(8, step=8)
    made.live(4)
    return made


def test_a_joint_shift_that_no_column_shows_is_found(turned: World) -> None:
    before, after = of(turned, "joint")[-3], of(turned, "joint")[-1]
    assert before.status is Status.OK, before.reason
    assert after.status is Status.BREACHED, after.reason
    assert [one.column for one in after.features[:2]] in (["x", "z"], ["z", "x"])
    assert {one.column for one in after.features if one.breached} == {"x", "z"}
    assert after.value is not None
    assert after.value > 0.75
    assert after.n == 360
    assert {one.status for one in of(turned, "inputs")[-6:]} == {Status.OK}


def test_it_looks_once_a_window_and_what_it_said_stands_in_between(turned: World) -> None:
    hours = [(one.as_of - START) // HOUR for one in of(turned, "joint")]
    assert hours == [6, 12, 18, 24, 30, 36, 42, 48]
    fired = [one for one in turned.decisions() if one.outcome is Outcome.FIRED]
    assert [one.trigger for one in fired] == ["together"]
    (queued,) = (run.created_at for run in turned.runs())
    assert queued - START == 52 * HOUR  # breached as of 48, met as of 50, and panes close two hours late


def test_windows_that_hold_rows_of_the_training_say_nothing(turned: World) -> None:
    first = of(turned, "joint")[:4]
    assert {one.status for one in first} == {Status.INCONCLUSIVE}
    assert {one.reason for one in first[1:]} <= {
        "there are no rows of a reference yet",
        "the window reaches back to rows that the champion was trained on",
    }


def test_a_backlog_and_restarts_give_the_same_verdicts(turned: World, tmp_path: Path) -> None:
    other = world(tmp_path)
    for hour in range(54):
        other.correlation = 0.8 if hour < 42 else -0.8
        other.land()
        if hour % 10 == 0:
            other.tick()
            other.open()
    other.open()
    other.settle()
    mine = [(one.as_of, one.status, one.value, one.threshold, one.reason) for one in of(turned, "joint")]
    assert [
        (one.as_of, one.status, one.value, one.threshold, one.reason) for one in of(other, "joint")
    ] == mine


def test_panes_wait_for_an_answer_and_nothing_else_does(tmp_path: Path) -> None:
    made = world(tmp_path, told_apart)
    made.live(24, step=24)
    made.analyst.busy = True
    made.land(8)
    for _ in range(20):
        assert made.tick().waiting
    assert of(made, "inputs")[-1].as_of == START + 22 * HOUR
    made.analyst.busy = False
    made.analyst.states.clear()
    made.settle()
    assert of(made, "inputs")[-1].as_of == START + 30 * HOUR
    assert of(made, "joint")[-1].status is Status.BREACHED


def test_an_analyst_that_never_answers_stops_nothing_for_ever(tmp_path: Path) -> None:
    made = world(tmp_path, told_apart)
    made.live(24, step=24)
    made.analyst.busy = True
    made.land(8)
    made.settle_but_wait()
    assert isinstance(made.watch.timer, FakeTimer)
    made.watch.timer.seconds += 1800
    made.settle()
    last = of(made, "joint")[-1]
    assert (last.status, last.reason) == (Status.INCONCLUSIVE, "the classifier failed: it takes too long")
    assert of(made, "inputs")[-1].as_of == START + 30 * HOUR


def test_an_analyst_that_fails_is_asked_three_times(tmp_path: Path) -> None:
    def broken(job: AnalysisJob) -> Json:
        raise OSError("out of memory")

    made = world(tmp_path, broken)
    made.live(24, step=24)
    made.land(8)
    made.settle()
    last = of(made, "joint")[-1]
    assert (last.status, last.reason) == (Status.INCONCLUSIVE, "the classifier failed: out of memory")
    assert len([job for job in made.analyst.asked if job.role == "inside"]) == 3


def test_another_champion_begins_anew(tmp_path: Path) -> None:
    """What was said of one champion starts no run for the next, and its answers are not kept."""
    made = world(tmp_path, told_apart)
    made.live(32, step=32)
    assert of(made, "joint")[-1].status is Status.BREACHED
    asked = made.analyst.asked[-1].key
    made.install(2.0, {**KNOWN, "ctrain.cut_off": (START + 31 * HOUR).isoformat()})
    made.live(6)
    last = of(made, "joint")[-1]
    assert last.status is Status.INCONCLUSIVE
    assert last.model_version == "2"
    assert not made.runs()
    assert not (made.folder / "home" / "runs" / asked).exists()


def test_the_sample_outlives_the_rows(tmp_path: Path) -> None:
    """The champion is compared with what it was trained on long after those rows have gone."""
    made = world(tmp_path, told_apart, QUIET.replace("  pane: 1h", "  retention: 9d\n  pane: 1h"))
    made.rows_per_hour = 20
    made.land_together(24 * 12)
    made.settle()
    made.open()
    kept = made.watch.row_log.read(START, START + 24 * HOUR).num_rows
    made.live(7, step=7)
    assert kept == 0
    assert of(made, "joint")[-1].status is Status.BREACHED


class Ageing(World):
    """One column grows with every hour."""

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        rows, labels = super()._hour()
        place = rows.schema.get_field_index("clock")
        return rows.set_column(place, "clock", pa.array([float(self.hour)] * rows.num_rows)), labels


def test_columns_that_differ_by_nature_are_not_shown(tmp_path: Path) -> None:
    features = QUIET.replace("numeric: [x, z]", "numeric: [x, z, clock]")
    made = Ageing(tmp_path, policy_text=features, rows_per_hour=60, answers=told_apart, more=("clock",))
    made.install(2.0, KNOWN)
    made.live(32, step=32)
    assert made.analyst.asked[-1].request["features"]["numeric"] == ["x", "z"]
    left_out = {one.column: one.note for one in of(made, "joint")[-1].features if one.note}
    assert left_out == {"clock": "left out: it only grows with time"}

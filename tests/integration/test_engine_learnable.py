"""The look before a training: what it is given, what becomes of a run that teaches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.child.frames import training_frame
from ctrain.child.quick_refit import is_refused, look_ahead
from ctrain.domain import JobState, JobStatus, Phase, RequestKind, Run, TrainingJob
from ctrain.engine.moves import found_in
from ctrain.launchers.job_folder import JobFolder
from tests.support.fakes import FakeLauncher
from tests.support.slopes import fit_slope
from tests.support.world import HOUR, POLICY, START, World

QUIET = re.sub(r"(?s)monitors:.*triggers:\n[^\n]*", "triggers:\n  rarely: {new_labels: 100000}", POLICY)
REPORTED = QUIET.replace("retries: 1", "retries: 1\n  learnable: {rows: 800}")
REQUIRED = REPORTED.replace("rows: 800", "rows: 800, require: true")
LEARNED_UNTIL = 20
KNOWN = {
    "ctrain.window_start": START.isoformat(),
    "ctrain.window_end": (START + LEARNED_UNTIL * HOUR).isoformat(),
    "ctrain.cut_off": (START + LEARNED_UNTIL * HOUR).isoformat(),
}


@dataclass
class SlopeEstimator:
    """A model of the small world as a training function returns it."""

    score: Callable[[pa.Table], np.ndarray]

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        p = self.score(pa.table({"x": pa.array(rows["x"].to_numpy())}))
        return np.column_stack([1 - p, p])


def fit_quickly(rows: pd.DataFrame, context: Any) -> SlopeEstimator:
    return SlopeEstimator(
        fit_slope(
            pa.table({"x": pa.array(rows["x"].to_numpy()), "y": pa.array(rows["y"].to_numpy())}),
            context.params,
        )
    )


class LookingLauncher(FakeLauncher):
    """Looks before it trains, as the training child does."""

    def start(self, job: TrainingJob) -> None:
        looked = self._looked(job)
        refused = looked and is_refused({"learnable": job.learnable}, looked)
        if refused:
            result = {"refused": "not learnable: " + looked["reason"], "mlflow_run_id": "mlrun-0"}
            self.results[job.run_id, job.attempt] = JobStatus(
                JobState.SUCCEEDED, result={**result, "train_seconds": 0.25, "learnable": looked}
            )
            return
        super().start(job)
        status = self.results[job.run_id, job.attempt]
        if looked and status.state is JobState.SUCCEEDED:
            whole = {**status.result, "learnable": looked}
            self.results[job.run_id, job.attempt] = JobStatus(JobState.SUCCEEDED, result=whole)

    def _looked(self, job: TrainingJob) -> dict[str, Any]:
        if not job.learnable:
            return {}
        JobFolder(job.folder).write_job(job, 0.0)
        described = JobFolder(job.folder).job()
        assert described is not None
        rows = training_frame(pq.read_table(Path(job.folder) / "rows.parquet"))
        return look_ahead({"clicks:train": fit_quickly}, described, rows, None, Path(job.folder))


def make_world(folder: Path) -> World:
    world = World(folder, policy_text=REPORTED, rows_per_hour=100, seed=11)
    world.launcher = LookingLauncher(world.registry, fit_slope)
    world.open()
    world.install(2.0, KNOWN)
    world.land_together(LEARNED_UNTIL)
    return world


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What the champion has learned stays true."""
    world = make_world(tmp_path_factory.mktemp("same") / "world")
    world.land_together(40)
    world.settle()
    return world


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The opposite of what the champion has learned is true."""
    world = make_world(tmp_path_factory.mktemp("turned") / "world")
    world.slope = -2.0
    world.land_together(40)
    world.settle()
    return world


@pytest.fixture(scope="module")
def misled(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Labels were the wrong way round for a while, and mean again what the champion has learned."""
    world = make_world(tmp_path_factory.mktemp("misled") / "world")
    world.slope = -2.0
    world.land_together(30)
    world.slope = 2.0
    world.land_together(10)
    world.settle()
    return world


def trained(world: World, folder: Path, policy: str) -> tuple[World, Run]:
    """A branch of the world in which somebody has asked for a run."""
    twin = world.branch(folder / "world")
    twin.edit(policy)
    assert twin.ask(RequestKind.TRIGGER).answer.startswith("done")
    return twin, twin.runs()[-1]


def look(run: Run) -> dict[str, Any]:
    return dict(found_in(run, "training")["learnable"])


def test_a_change_that_can_be_learned_is_reported_and_trained_on(turned: World, tmp_path: Path) -> None:
    world, run = trained(turned, tmp_path, REQUIRED)
    assert (run.phase, look(run)["verdict"]) == (Phase.SHADOWING, "learnable")
    held_out = found_in(run, "training")["holdout_rows"]
    assert world.scorer.scored[:2] == [("1", held_out), ("2", held_out)], "the gates need these scores anyway"
    assert look(run)["difference"]["mean"] < -0.2
    assert "learnable" not in found_in(run, "training")["result"]


def test_nothing_new_is_inconclusive_and_trained_on(same: World, tmp_path: Path) -> None:
    _, run = trained(same, tmp_path, REQUIRED)
    assert look(run)["verdict"] == "inconclusive"
    assert run.challenger_version is not None


def test_rows_that_teach_nothing_end_the_run_before_the_training(misled: World, tmp_path: Path) -> None:
    world, run = trained(misled, tmp_path, REQUIRED)
    assert (run.phase, run.challenger_version) == (Phase.REJECTED, None)
    assert run.outcome_reason.startswith("not learnable: mean loss of quick refits minus the champion's +0.")
    assert world.launcher.started == []
    assert look(run)["verdict"] == "not_learnable"
    spent = found_in(run, "training")["spent"]
    assert [(one["train_seconds"], one["trained"]) for one in spent] == [(0.25, False)]
    assert world.registry.notes["mlrun-0"]["ctrain.outcome"] == "REJECTED"
    with world.store.read() as tx:
        (ended,) = [one for one in tx.events(world.name, run.id) if one.kind == "run_rejected"]
    assert ended.evidence["against_past"]["lower"] > 0


def test_what_is_only_reported_ends_nothing(misled: World, tmp_path: Path) -> None:
    world, run = trained(misled, tmp_path, REPORTED)
    assert look(run)["verdict"] == "not_learnable"
    assert len(world.launcher.started) == 1
    with world.store.read() as tx:
        (said,) = [one.message for one in tx.events(world.name, run.id) if one.kind == "run_evaluating"]
    assert said == "version 2 trained in 0.5 s; before that: not learnable"


def test_a_policy_that_asks_for_no_look_gets_none(turned: World, tmp_path: Path) -> None:
    _, run = trained(turned, tmp_path, QUIET)
    assert "learnable" not in found_in(run, "training")


def test_a_first_champion_is_compared_with_nobody(turned: World, tmp_path: Path) -> None:
    twin = turned.branch(tmp_path / "world")
    twin.registry.aliases.clear()
    twin.edit(REQUIRED)
    twin.settle()
    assert twin.ask(RequestKind.TRIGGER).answer.startswith("done")
    assert twin.runs()[-1].champion_version is None
    assert "learnable" not in found_in(twin.runs()[-1], "training")


def test_the_held_out_rows_judge_that_are_later_than_the_champions_training(
    turned: World, tmp_path: Path
) -> None:
    world, run = trained(turned, tmp_path, REPORTED)
    folder = Path(world.watch.workspace.folder(run.id, 1))
    judged, rows = pq.read_table(folder / "judged.parquet"), pq.read_table(folder / "rows.parquet")
    assert judged.column_names == ["x", "z", "kind", "y", "\0"]
    assert judged.num_rows == found_in(run, "training")["holdout_rows"]
    assert not set(judged["x"].to_pylist()) & set(rows["x"].to_pylist())
    x, y = judged["x"].to_numpy(), judged["y"].to_numpy()
    assert judged["\0"].to_numpy() == pytest.approx((1 / (1 + np.exp(-2 * x)) - y) ** 2)
    past = pq.read_table(folder / "past.parquet")
    assert past.num_rows == 800
    assert not set(past["x"].to_pylist()) & set(rows["x"].to_pylist())


def test_too_few_such_rows_are_too_few(same: World, tmp_path: Path) -> None:
    twin = same.branch(tmp_path / "twin")
    tags_of_champion(twin)["ctrain.cut_off"] = (START + 55 * HOUR).isoformat()
    world, run = trained(twin, tmp_path, REQUIRED)
    assert look(run) == {
        "verdict": "inconclusive",
        "reason": "100 held-out rows are later than the champion's training, a look needs 200",
    }
    assert len(world.launcher.started) == 1


def tags_of_champion(world: World) -> dict[str, str]:
    known = world.registry.versions[world.registry.aliases["champion"]]
    tags = dict(known.tags)
    world.registry.versions[known.version] = replace(known, tags=tags)
    return tags


def test_a_champion_that_nobody_knows_the_rows_of_refuses_nothing(misled: World, tmp_path: Path) -> None:
    twin = misled.branch(tmp_path / "twin")
    del tags_of_champion(twin)["ctrain.window_start"]
    _, run = trained(twin, tmp_path, REQUIRED)
    assert (look(run)["verdict"], look(run)["past"]) == ("inconclusive", 0)
    assert run.challenger_version is not None


def test_a_champion_that_cannot_be_asked_keeps_no_training_from_beginning(
    turned: World, tmp_path: Path
) -> None:
    twin = turned.branch(tmp_path / "twin")
    twin.edit(REQUIRED)
    twin.scorer.broken.add(twin.registry.aliases["champion"])
    twin.ask(RequestKind.TRIGGER)
    (run,) = twin.runs()
    assert look(run)["reason"] == "version 1 cannot score rows: cannot load"
    assert len(twin.launcher.started) == 1


def test_a_crash_while_the_champion_is_asked_loses_nothing(turned: World, tmp_path: Path) -> None:
    twin = turned.branch(tmp_path / "twin")
    twin.edit(REQUIRED)
    twin.scorer.busy = True
    with twin.store.write() as tx:
        tx.add_request(_asked(twin))
    twin.settle_but_wait()
    (run,) = twin.runs()
    assert run.phase is Phase.TRAINING
    assert "learnable" not in found_in(run, "training")
    twin.open()
    twin.settle()
    (run,) = twin.runs()
    assert look(run)["verdict"] == "learnable"


def _asked(world: World) -> Any:
    from ctrain.domain import Request

    return Request(0, world.name, RequestKind.TRIGGER, "ada", world.clock.now(), {})


def test_a_refit_is_not_looked_at_again(turned: World, tmp_path: Path) -> None:
    world, run = trained(turned, tmp_path, REQUIRED.replace("retries: 1", "retries: 1\n  refit: true"))
    assert [attempt for _, attempt in world.launcher.started] == [1, 2]
    assert look(run)["verdict"] == "learnable"
    assert not (Path(world.watch.workspace.folder(run.id, 2)) / "judged.parquet").exists()


def test_weights_lie_beside_the_champions_rows(turned: World, tmp_path: Path) -> None:
    weighed = REPORTED.replace("retries: 1", "retries: 1\n  weights: {half_life: 10h}")
    world, run = trained(turned, tmp_path, weighed)
    past = pq.read_table(Path(world.watch.workspace.folder(run.id, 1)) / "past.parquet")
    weights = past["\0"].to_numpy()
    assert weights[-1] / weights[0] == pytest.approx(
        2 ** (timedelta(hours=20) / timedelta(hours=10)), rel=0.05
    )

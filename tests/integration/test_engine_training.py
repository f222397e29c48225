"""What a training is given: rows since a change, weights by age, never trivially few."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Outcome, RequestKind, Run, Suppression
from ctrain.engine.matured import matured_until
from ctrain.engine.moves import found_in
from ctrain.stats.sequential import ComparisonState
from tests.support.world import HOUR, POLICY, START, World

TURN = 40
ON_CHANGE = POLICY.replace("any: [brier], for: 2h", "any: [error], for: 4h")
SINCE_CHANGE = ON_CHANGE.replace("{last: 36h}", "{since: change, min_rows: 150}")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A champion that is right, until the truth turns around."""
    world = World(tmp_path_factory.mktemp("quiet") / "world", policy_text=ON_CHANGE)
    world.install(2.0)
    world.live(TURN, step=10)
    world.slope = -2.0
    return world


def turned(quiet: World, folder: Path, policy: str, hours: int = 12) -> World:
    world = quiet.branch(folder / "world")
    world.edit(policy)
    world.live(hours, step=2)
    return world


def began(run: Run) -> datetime:
    return datetime.fromisoformat(found_in(run, "training")["window_start"])


def rows_of(run: Run) -> int:
    return int(found_in(run, "training")["rows"]) + int(found_in(run, "training")["holdout_rows"])


def test_the_window_begins_where_the_monitor_says_that_the_change_began(quiet: World, tmp_path: Path) -> None:
    world = turned(quiet, tmp_path, SINCE_CHANGE)
    (run,) = world.runs()
    assert run.trigger == "degraded"
    assert abs(began(run) - START - HOUR * TURN) <= HOUR
    with world.store.read() as tx:
        said = [one.message for one in tx.events(world.name, run.id) if one.kind == "run_training"]
    assert said[0].endswith(f"held out: the change that error found began {began(run):%Y-%m-%d %H:%M} UTC")


def test_too_few_rows_since_the_change_reach_further_back(quiet: World, tmp_path: Path) -> None:
    (run,) = turned(quiet, tmp_path, SINCE_CHANGE.replace("min_rows: 150", "min_rows: 1500")).runs()
    assert rows_of(run) == 1500
    assert began(run) < START + HOUR * (TURN - 10)
    assert found_in(run, "training")["window"].endswith("rows since; the last 1500 rows")


def test_without_a_change_the_last_rows_are_taken(quiet: World, tmp_path: Path) -> None:
    world = quiet.branch(tmp_path / "world")
    world.edit(SINCE_CHANGE)
    assert world.ask(RequestKind.TRIGGER).answer.startswith("done")
    (run,) = world.runs()
    assert rows_of(run) == 150
    assert found_in(run, "training")["window"] == "no change has been detected; the last 150 rows"


def test_a_window_that_lags_leaves_matured_rows_to_the_shadow(quiet: World, tmp_path: Path) -> None:
    world = quiet.branch(tmp_path / "world")
    world.edit(POLICY.replace("{last: 36h}", "{last: 12h, lag: 20h}"))
    assert world.ask(RequestKind.TRIGGER).answer.startswith("done")
    (run,) = world.runs()
    cut_off = datetime.fromisoformat(found_in(run, "training")["cut_off"])
    with world.store.read() as tx:
        matured = matured_until(tx.ingest_state(world.name), world.watch.policy)
    assert matured is not None
    assert cut_off == matured - 20 * HOUR
    assert cut_off - 12 * HOUR <= began(run) < cut_off - 11 * HOUR
    assert ComparisonState.from_json(found_in(run, "shadow")["state"]).rows > 15 * 40


def test_labels_are_new_when_the_lagging_window_reaches_them(quiet: World, tmp_path: Path) -> None:
    world = quiet.branch(tmp_path / "world")
    lagging = POLICY.replace("{last: 36h}", "{last: 12h, lag: 20h}")
    world.edit(lagging.replace("degraded: {any: [brier], for: 2h}", "volume: {new_labels: 200}"))
    world.live(1)
    assert [run.trigger for run in world.runs()] == ["volume"]
    world.ask(RequestKind.CANCEL, run=world.runs()[0].id)
    world.live(1)
    assert world.decisions()[-1].reason.startswith("40 of 200 new labelled rows since the last training")


def test_weights_lie_beside_the_rows_of_a_training(quiet: World, tmp_path: Path) -> None:
    world = quiet.branch(tmp_path / "world")
    world.edit(POLICY.replace("{last: 36h}", "{last: 36h}\n  weights: {half_life: 12h}"))
    world.ask(RequestKind.TRIGGER)
    (run,) = world.runs()
    folder = Path(world.watch.workspace.folder(run.id, 1))
    weights = pq.read_table(folder / "weights.parquet")["weight"].to_numpy()
    assert len(weights) == pq.read_table(folder / "rows.parquet").num_rows
    assert np.all(np.diff(weights) >= 0)
    assert weights.mean() == pytest.approx(1)
    spanned = datetime.fromisoformat(found_in(run, "training")["holdout_start"]) - began(run)
    assert weights[-1] / weights[0] == pytest.approx(2 ** (spanned / (12 * HOUR)), rel=0.05)


def test_no_training_is_paid_for_on_fewer_rows_than_the_policy_asks_for(quiet: World, tmp_path: Path) -> None:
    world = turned(quiet, tmp_path, ON_CHANGE.replace("retries: 1", "retries: 1\n  min_rows: 5000"))
    assert world.runs() == []
    degraded = world.decisions()[-1]
    assert (degraded.outcome, degraded.suppression) == (Outcome.SUPPRESSED, Suppression.INSUFFICIENT_DATA)
    assert degraded.reason.endswith("in the training window, 6250 needed")

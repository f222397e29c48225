"""Champions from elsewhere, features that change, labels that are absent or corrected, and regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Phase, RequestKind, Status, Version
from ctrain.stats.losses import row_losses
from tests.support.fakes import Model
from tests.support.stories import QUICK, TRAINED_UNTIL, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A champion about which nothing is on record, watched for two days."""
    world = World(tmp_path_factory.mktemp("adopted"), rows_per_hour=30)
    world.install(2.0)
    world.live(48, step=24)
    return world


def statuses(world: World, monitor: str) -> list[Status]:
    return [one.status for one in world.verdicts() if one.monitor == monitor]


def test_a_champion_from_elsewhere_is_judged_once_there_is_something_to_compare(adopted: World) -> None:
    inputs = [one for one in adopted.verdicts() if one.monitor == "inputs"]
    early = [one for one in inputs if one.as_of <= START + 24 * HOUR]
    assert {(one.status, one.n) for one in early} == {(Status.INCONCLUSIVE, 0)}
    assert {one.status for one in inputs if one.as_of > START + 28 * HOUR} == {Status.OK}
    error = [one for one in adopted.verdicts() if one.monitor == "error"]
    assert error[3].reason == "collecting a baseline: 60 of 100 rows with a loss"
    assert error[-1].status is Status.OK
    assert adopted.kinds().count("reference_made") == 1
    assert adopted.kinds().count("champion_found") == 1


def test_its_digest_is_on_record_before_it_can_be_replaced(adopted: World, tmp_path: Path) -> None:
    world = adopted.branch(tmp_path / "world")
    assert world.registry.versions[Version("1")].digest is None
    world.ask(RequestKind.TRIGGER)
    assert last_run(world).phase is Phase.SHADOWING
    assert world.registry.versions[Version("1")].digest == "digest-1"


def test_another_list_of_features_makes_another_grid(adopted: World, tmp_path: Path) -> None:
    world = adopted.branch(tmp_path / "world")
    world.edit(POLICY.replace("numeric: [x, z]", "numeric: [x, w]"))
    world.more = ("w",)
    world.live(8, step=4)
    verdict = [one for one in world.verdicts() if one.monitor == "inputs"][-1]
    assert {one.column for one in verdict.features} == {"x", "w", "kind"}
    assert {one.column: one.note for one in verdict.features}["w"] == "no values in the reference"
    assert verdict.status is Status.OK
    assert world.kinds().count("reference_made") == 2
    with world.store.read() as tx:
        before, after = adopted.watch.references, tx.reference(world.name, Version("1"))
    assert after is not None
    assert after[0] != before[Version("1")].grid.name


def test_a_feature_that_is_gone_fails_the_run_that_needs_it(adopted: World, tmp_path: Path) -> None:
    world = adopted.branch(tmp_path / "world")
    world.ask(RequestKind.TRIGGER)
    world.edit(POLICY.replace("numeric: [x, z]", "numeric: [x]"))
    world.live(1)
    assert last_run(world).phase is Phase.FAILED
    assert last_run(world).outcome_reason == "features that the run needs are no longer in the policy: z"


def only_positives(labels: pa.Table) -> pa.Table:
    return labels.filter(np.asarray(labels["y"]) == 1.0)


@dataclass
class Positives(World):
    """Labels come for the rows that became 1, and for no other."""

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        rows, labels = super()._hour()
        return rows, only_positives(labels)


def test_an_absent_label_can_mean_zero(adopted: World, tmp_path: Path) -> None:
    world = Positives(
        tmp_path,
        policy_text=POLICY.replace("matures_after: 2h", "matures_after: 2h, absent_means: 0"),
        rows_per_hour=30,
    )
    world.install(2.0)
    world.live(48, step=24)
    for monitor in ("brier", "error"):
        mine = [(one.as_of, one.value, one.n) for one in world.verdicts() if one.monitor == monitor]
        assert mine == [(one.as_of, one.value, one.n) for one in adopted.verdicts() if one.monitor == monitor]


def test_absent_labels_that_mean_nothing_are_too_few_to_judge_by(tmp_path: Path) -> None:
    strict = POLICY.replace("matures_after: 2h", "matures_after: 2h, min_coverage: 0.9")
    world = Positives(tmp_path, policy_text=strict, rows_per_hour=30)
    world.install(2.0)
    world.live(30, step=30)
    assert set(statuses(world, "brier")) == {Status.INCONCLUSIVE}
    reasons = [one.reason for one in world.verdicts() if one.monitor == "brier"]
    assert "of 360 rows, 90.00% are needed" in reasons[-1]


def test_a_corrected_label_is_trained_on_and_changes_no_verdict(adopted: World, tmp_path: Path) -> None:
    world = adopted.branch(tmp_path / "world")
    before = world.verdicts()
    ids = [f"{hour}-{number}" for hour in range(20, 24) for number in range(30)]
    corrected = pa.table({"id": ids, "y": [1.0] * len(ids)})
    pq.write_table(corrected, world.folder / "labels" / "corrections.parquet")
    world.settle()
    assert world.verdicts() == before
    ask_to_train(world)
    world.settle()
    rows = pq.read_table(world.watch.workspace.path(last_run(world).id, "rows.parquet"))
    logged = world.watch.row_log.read(START + 20 * HOUR, START + 24 * HOUR)
    assert set(logged["label"].to_pylist()) == {1.0}
    kept = set(logged["x"].to_pylist())
    of_those = [y for x, y in zip(rows["x"].to_pylist(), rows["y"].to_pylist(), strict=True) if x in kept]
    assert of_those == [1.0] * len(ids)


def line(slope: float) -> Model:
    def score(rows: pa.Table) -> np.ndarray:
        return np.asarray(slope * rows["x"].to_numpy(zero_copy_only=False))

    return score


def fit_line(rows: pa.Table, params: Mapping[str, object]) -> Model:
    x, y = (np.asarray(rows[name].to_numpy(zero_copy_only=False)) for name in ("x", "y"))
    return line(float(x @ y / (x @ x)))


@dataclass
class Lines(World):
    """The answer is a number: ``slope * x`` and noise."""

    def _answers(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.slope * x + self.random.normal(0, 0.5, len(x)))


REGRESSION = (
    QUICK.replace("task: binary, metric: brier", "task: regression, metric: absolute_error")
    .replace(
        "{type: performance, metric: brier, window: 12h, above: 0.24",
        "{type: performance, metric: rmse, window: 12h, above: 9",
    )
    .replace("{metric: roc_auc, min: 0.55}", "{metric: r2, min: 0.5}")
    .replace("{metric: brier, not_worse", "{metric: absolute_error, not_worse")
)


def trained_line(folder: Path, *, logs_scores: bool = True) -> Lines:
    """A regression that a person asked to train, beside a champion with too small a slope."""
    world = Lines(folder, policy_text=REGRESSION, rows_per_hour=30, train=fit_line, logs_scores=logs_scores)
    world.registry.register(line(1.2), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(48, step=24)
    world.ask(RequestKind.TRIGGER)
    return world


def told(world: World, kind: str) -> list[str]:
    with world.store.read() as tx:
        return [one.message for one in tx.events() if one.kind == kind]


@pytest.mark.parametrize("logs_scores", [True, False], ids=["logged scores", "scored by children"])
def test_a_regression_goes_all_the_way(tmp_path: Path, logs_scores: bool) -> None:
    world = trained_line(tmp_path, logs_scores=logs_scores)
    scale = last_run(world).details["evaluation"]["scale"]
    holdout = pq.read_table(world.watch.workspace.path(last_run(world).id, "holdout.parquet"))
    errors = row_losses(
        world.watch.policy.model.task,
        "absolute_error",
        holdout["label"].to_numpy(),
        1.2 * holdout["x"].to_numpy(),
    )
    assert scale == pytest.approx(np.quantile(errors, 0.99))
    world.live(60, step=6)
    run = last_run(world)
    assert run.phase is Phase.ACCEPTED, run.outcome_reason
    assert world.registry.aliases["champion"] == "2"
    assert 0 < run.details["shadow"]["clipped_rows"] < 0.05 * run.details["shadow"]["state"]["rows"]
    assert run.details["evaluation"]["challenger"]["r2"] > 0.9


@pytest.mark.parametrize("step", [6, 48])
def test_a_probation_whose_losses_outgrow_their_scale_begins_anew_and_ends(tmp_path: Path, step: int) -> None:
    world = trained_line(tmp_path)
    while last_run(world).phase is not Phase.PROBATION:
        world.live(6, step=6)
    before = last_run(world).details["probation"]["scale"]
    world.slope = 40.0
    world.live(96, step=step)
    run = world.runs()[0]
    assert run.phase in {Phase.ACCEPTED, Phase.ROLLED_BACK}
    assert run.details["probation"]["scale"] > 5 * before
    [message] = told(world, "probation_rescaled")
    assert "they are compared anew" in message


@pytest.mark.parametrize("step", [6, 48])
def test_a_shadow_whose_losses_outgrow_their_scale_begins_anew_once(tmp_path: Path, step: int) -> None:
    world = trained_line(tmp_path)
    while last_run(world).phase is not Phase.SHADOWING:
        world.live(1, step=1)
    before = last_run(world).details["shadow"]
    world.slope = 40.0
    world.live(240, step=step)
    run = world.runs()[0]
    shadow = run.details["shadow"]
    assert run.phase.ended, run.outcome_reason
    assert shadow["first_scale"] == before["scale"]
    assert shadow["scale"] > 5 * before["scale"]
    assert shadow["clipped_rows"] < 0.05 * shadow["state"]["rows"]
    assert shadow["alpha"] == 2 * before["alpha"]
    assert len(told(world, "shadow_rescaled")) == 1


def test_a_regression_counts_the_same_clipped_rows_block_by_block(tmp_path: Path) -> None:
    def played(folder: Path, step: int) -> tuple[object, ...]:
        folder.mkdir()
        world = trained_line(folder)
        world.live(12, step=step)
        shadow = last_run(world).details["shadow"]
        with world.store.read() as tx:
            return shadow["clipped_rows"], shadow["state"], tx.comparison_points(last_run(world).id)

    assert played(tmp_path / "hourly", 1) == played(tmp_path / "at once", 12)

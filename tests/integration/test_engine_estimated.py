"""Estimated performance and segments of performance in the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import Phase, RequestKind, Status, Verdict, Version
from ctrain.policy.available import unavailable_parts
from ctrain.stats.calibration import fit_calibration
from ctrain.stats.cbpe import estimate
from tests.support.slopes import sigmoid, slope_model
from tests.support.stories import QUICK, TRAINED_UNTIL, last_run
from tests.support.world import HOUR, START, World

KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}
ESTIMATED = QUICK.replace(
    "  fresh:",
    "  unseen: {type: estimated_performance, metric: brier, window: 6h, above: 0.10, min_rows: 200}\n"
    "  fresh:",
)


def verdicts(world: World, monitor: str) -> list[Verdict]:
    return [one for one in world.verdicts() if one.monitor == monitor]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Rows that are easy to tell apart, served for a day by a model that is right."""
    world = World(tmp_path_factory.mktemp("estimated"), policy_text=ESTIMATED, shift=2.5)
    world.registry.register(slope_model(2.0), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(40, step=20)
    return world


def test_the_policy_can_be_run(served: World) -> None:
    assert unavailable_parts(served.watch.policy) == []


def test_labelled_rows_are_collected_first_and_then_all_rows_are_judged_at_once(served: World) -> None:
    found = verdicts(served, "unseen")
    early = [one for one in found if one.as_of <= TRAINED_UNTIL + 6 * HOUR]
    assert {one.status for one in early} == {Status.INCONCLUSIVE}
    assert early[-1].reason == "collecting a calibration: 160 of 200 matured, labelled rows"
    last = found[-1]
    assert last.status is Status.OK
    rows = served.watch.row_log.read(last.as_of - 6 * HOUR, last.as_of)
    assert last.n == rows.num_rows == 240
    taken = served.watch.row_log.read(TRAINED_UNTIL, TRAINED_UNTIL + 5 * HOUR)
    scores = [sigmoid(2.0 * table["x"].to_numpy(zero_copy_only=False)) for table in (taken, rows)]
    calibration = fit_calibration(taken["label"].to_numpy(zero_copy_only=False), scores[0])
    expected = estimate(served.watch.policy.model.task, "brier", scores[1], calibration)
    assert expected is not None
    assert last.value == pytest.approx(expected.value, abs=0.005)


def test_harder_rows_breach_before_a_label_has_come(served: World, tmp_path: Path) -> None:
    world = served.branch(tmp_path / "world")
    world.shift = 0.0
    changed_at = world.clock.now()
    world.live(8)
    breached = [one for one in verdicts(world, "unseen") if one.status is Status.BREACHED]
    assert breached
    assert breached[0].as_of <= changed_at + 6 * HOUR
    assert "brier is estimated at" in breached[0].reason
    assert breached[0].model_version == "1"


@dataclass
class NoMoreLabels(World):
    """Labels come only while ``told`` is true; production logs no scores."""

    told: bool = True
    logs_scores: bool = False

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        rows, labels = super()._hour()
        return rows, labels if self.told else labels.slice(0, 0)


def test_without_any_more_labels_all_rows_are_scored_and_judged(tmp_path: Path) -> None:
    world = NoMoreLabels(tmp_path, policy_text=ESTIMATED, shift=2.5)
    world.registry.register(slope_model(2.0), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(36, step=18)
    world.told = False
    world.shift = 0.0
    world.live(12, step=6)
    last = verdicts(world, "unseen")[-1]
    assert last.status is Status.BREACHED
    assert last.n == 240
    assert verdicts(world, "brier")[-1].status is Status.INCONCLUSIVE
    assert sum(rows for _, rows in world.scorer.scored) <= 24 * 40
    before = verdicts(world, "unseen")
    world.open()
    world.live(1)
    assert verdicts(world, "unseen")[: len(before)] == before
    assert world.scorer.scored == [("1", 40)]


def test_nobody_else_pays_for_scores_of_rows_without_labels(tmp_path: Path) -> None:
    world = NoMoreLabels(tmp_path, policy_text=QUICK, told=False)
    world.registry.register(slope_model(2.0), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(36, step=18)
    assert world.scorer.scored == []


def test_held_out_rows_calibrate_a_model_that_ctrain_trains(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=ESTIMATED.replace("min_rows: 200}", "min_rows: 150}"), shift=2.0)
    world.live(36, step=18)
    world.ask(RequestKind.TRIGGER)
    assert last_run(world).phase is Phase.ACCEPTED
    held_out = last_run(world).details["training"]["holdout_rows"]
    assert held_out >= 150
    world.live(8)
    served = [one for one in verdicts(world, "unseen") if one.model_version == "1"]
    assert "scored rows" in served[0].reason
    assert (served[-1].status, served[-1].n) == (Status.OK, 240)
    with world.store.read() as tx:
        memory = tx.detector(world.name, served[-1].monitor, Version("1"))
    assert memory is not None
    assert memory["calibration"]["calibration"]["n"] == held_out


@dataclass
class Kinds(World):
    """From an hour on the labels of kind ``b`` are turned round."""

    turned: bool = False

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        rows, labels = super()._hour()
        if not self.turned:
            return rows, labels
        of_b = np.array(rows["kind"].to_pylist()) == "b"
        y = labels["y"].to_numpy()
        return rows, labels.set_column(1, "y", pa.array(np.where(of_b, 1 - y, y)))


BY_KIND = ESTIMATED.replace("above: 0.24, min_rows: 100}", "above: 0.5, min_rows: 60, by: kind}").replace(
    "above: 0.10, min_rows: 200}", "above: 0.10, min_rows: 60, by: kind, max_segments: 2}"
)


@pytest.mark.parametrize("has_reference", [True, False], ids=["reference", "first rows"])
def test_a_segment_that_goes_wrong_is_named(tmp_path: Path, has_reference: bool) -> None:
    text = (
        BY_KIND
        if has_reference
        else "".join(line for line in BY_KIND.splitlines(keepends=True) if not line.startswith("  inputs:"))
    )
    world = Kinds(tmp_path, policy_text=text, shift=2.0, rows_per_hour=60)
    world.registry.register(slope_model(2.0), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(42, step=14)
    before = verdicts(world, "brier")[-1]
    assert before.status is Status.OK
    assert {one.column for one in before.features} == {f"brier [kind={kind}]" for kind in "abc"}
    assert before.reason.endswith("none of 3 segments of kind is beyond them for certain")
    estimated = verdicts(world, "unseen")[-1]
    assert len(estimated.features) == 3
    assert [one.column.endswith("other]") for one in estimated.features] == [False, False, True]
    world.turned = True
    world.live(14, step=7)
    after = verdicts(world, "brier")[-1]
    assert after.status is Status.BREACHED
    assert after.reason.startswith("kind=b: brier 0.")
    assert "is above 0.5 on" in after.reason
    assert "; all rows: brier 0." in after.reason
    assert [one.column for one in after.features if one.breached] == ["brier [kind=b]"]
    assert after.value == pytest.approx(next(one.statistic for one in after.features if one.breached))

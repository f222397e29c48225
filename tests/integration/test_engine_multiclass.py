"""Several classes all the way: training, gates, shadow, probation, performance and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from ctrain.domain import Phase, RequestKind, Status, Version
from ctrain.policy.available import unavailable_parts
from tests.support.fakes import Model
from tests.support.stories import QUICK, last_run
from tests.support.world import HOUR, START, World

KINDS = ("heavy", "light", "middle")
PULL = {"light": -1.0, "middle": 0.0, "heavy": 1.0}
KNOWN = {
    "ctrain.window_start": START.isoformat(),
    "ctrain.cut_off": (START + 24 * HOUR).isoformat(),
}

POLICY = (
    QUICK.replace("task: binary, metric: brier", "task: multiclass, metric: log_loss")
    .replace(
        "{type: performance, metric: brier, window: 12h, above: 0.24",
        "{type: performance, metric: accuracy, window: 12h, below: 0.5",
    )
    .replace("{metric: roc_auc, min: 0.55}", "{metric: f1, min: 0.4}\n  - {metric: roc_auc, min: 0.6}")
    .replace("{metric: brier, not_worse", "{metric: log_loss, not_worse")
)


def probabilities(x: np.ndarray, slope: float, kinds: Sequence[str]) -> np.ndarray:
    powers = np.exp(slope * np.outer(x, [PULL.get(kind, -9.0) for kind in kinds]))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def kinds_model(slope: float, kinds: Sequence[str] = KINDS) -> Model:
    """A model that knows the truth when ``slope`` is the world's; ``kinds`` is its order of classes."""

    def score(rows: pa.Table) -> Any:
        columns = probabilities(rows["x"].to_numpy(zero_copy_only=False), slope, kinds).T
        return pa.StructArray.from_arrays([pa.array(one) for one in columns], names=list(kinds))

    return score


def fit_kinds(rows: pa.Table, params: Mapping[str, object]) -> Model:
    """The most likely slope on a small grid; the classes in an order of its own."""
    x, truth = rows["x"].to_numpy(zero_copy_only=False), np.array(rows["y"].to_pylist())
    kinds = [str(kind) for kind in np.unique(truth)[::-1]]
    given = (truth[:, np.newaxis] == np.array(kinds)).argmax(axis=1)
    slopes = np.linspace(-3, 3, 25) if "slope" not in params else np.array([float(str(params["slope"]))])
    likelihoods = [np.log(probabilities(x, slope, kinds))[np.arange(len(x)), given].sum() for slope in slopes]
    return kinds_model(float(slopes[int(np.argmax(likelihoods))]), kinds)


@dataclass
class Kinds(World):
    """The answer is one of three classes; production logs the class that the champion predicted."""

    policy_text: str = POLICY
    rows_per_hour: int = 30
    train: Any = fit_kinds
    logs_scores: bool = False

    def _answers(self, x: np.ndarray) -> np.ndarray:
        chances = probabilities(x, self.slope, KINDS).cumsum(axis=1)
        drawn = (self.random.random(len(x))[:, np.newaxis] > chances).sum(axis=1)
        return np.array([KINDS[kind] for kind in drawn])

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        rows, labels = super()._hour()
        champion = self.registry.aliases.get("champion")
        logged = pa.nulls(rows.num_rows, pa.string())
        if champion is not None:
            scores: Any = self.registry.models[champion](rows)
            names = np.array([field.name for field in scores.type])
            columns = np.column_stack([one.to_numpy(zero_copy_only=False) for one in scores.flatten()])
            logged = pa.array(names[np.nan_to_num(columns).argmax(axis=1)])
        return rows.set_column(rows.schema.get_field_index("score"), "score", logged), labels


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    """A poor champion that has served for two days."""
    world = Kinds(tmp_path_factory.mktemp("kinds"))
    world.registry.register(kinds_model(0.3), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(48, step=24)
    return world


def test_the_task_can_be_run(served: World) -> None:
    assert unavailable_parts(served.watch.policy) == []


def test_a_first_model_is_trained_on_names_of_classes_and_passes_absolute_gates(tmp_path: Path) -> None:
    world = Kinds(tmp_path)
    world.live(24, step=24)
    world.ask(RequestKind.TRIGGER)
    run = last_run(world)
    assert run.phase is Phase.ACCEPTED, run.outcome_reason
    assert world.registry.aliases == {"champion": "1"}
    assert set(run.details["evaluation"]["challenger"]) == {
        "brier",
        "log_loss",
        "zero_one",
        "accuracy",
        "f1",
        "roc_auc",
        "calibration_error",
    }


def test_performance_is_that_of_the_rescored_rows(served: World) -> None:
    verdict = [one for one in served.verdicts() if one.monitor == "brier"][-1]
    until = verdict.as_of - 2 * HOUR
    rows = served.watch.row_log.read(until - 12 * HOUR, until)
    best = probabilities(rows["x"].to_numpy(zero_copy_only=False), 0.3, KINDS).argmax(axis=1)
    assert verdict.value == pytest.approx(sk.accuracy_score(rows["label"].to_pylist(), np.array(KINDS)[best]))
    assert verdict.n == rows.num_rows == 360
    assert rows["prediction"].to_pylist() == np.array(KINDS)[best].tolist()


def test_a_better_challenger_with_another_order_of_classes_goes_all_the_way(
    served: World, tmp_path: Path
) -> None:
    world = served.branch(tmp_path / "world")
    world.ask(RequestKind.TRIGGER)
    evaluation = last_run(world).details["evaluation"]
    assert evaluation["challenger"]["log_loss"] < evaluation["champion"]["log_loss"] - 0.1
    world.live(60, step=6)
    run = last_run(world)
    assert run.phase is Phase.ACCEPTED, run.outcome_reason
    assert world.registry.aliases["champion"] == "2"
    assert world.registry.aliases["previous_champion"] == "1"
    error = [one for one in world.verdicts() if one.monitor == "error"]
    assert error[-1].model_version == "2"
    assert error[-1].status is Status.OK
    world.open()
    world.live(2)
    assert [one for one in world.verdicts() if one.monitor == "brier"][-1].status is Status.OK


def test_a_worse_challenger_is_rejected_by_the_gates(served: World, tmp_path: Path) -> None:
    world = served.branch(tmp_path / "world")
    world.ask(RequestKind.TRIGGER, params={"slope": -1.0})
    run = last_run(world)
    assert run.phase is Phase.REJECTED
    assert "log_loss" in run.outcome_reason


def test_labels_that_no_model_knows_are_certain_loss(served: World, tmp_path: Path) -> None:
    world = served.branch(tmp_path / "world")
    world.random = np.random.default_rng(3)
    plain = world._answers
    world._answers = lambda x: np.where(plain(x) == "light", "new", plain(x))  # type: ignore[method-assign] # from now on
    world.live(16, step=4)
    verdict = [one for one in world.verdicts() if one.monitor == "brier"][-1]
    assert verdict.n == 360
    assert verdict.status is Status.BREACHED
    error = [one for one in world.verdicts() if one.monitor == "error"]
    assert any(one.status is Status.BREACHED for one in error)


def renamed(model: Model) -> Model:
    """The same model, which calls its classes by their numbers."""

    def score(rows: pa.Table) -> Any:
        scores: Any = model(rows)
        return pa.StructArray.from_arrays(scores.flatten(), names=["0", "1", "2"])

    return score


def test_a_model_whose_classes_are_called_otherwise_than_labels_is_not_judged_by_its_words(
    served: World, tmp_path: Path
) -> None:
    """A champion from elsewhere, which nobody told how labels are written."""
    world = served.branch(tmp_path / "world")
    world.registry.models[Version("1")] = renamed(kinds_model(1.0))
    world.registry.versions[Version("1")] = replace(world.registry.versions[Version("1")], tags={})
    world.ask(RequestKind.TRIGGER)
    run = last_run(world)
    assert run.phase is Phase.FAILED
    assert run.outcome_reason == (
        "version 1 knows the classes 0, 1, 2, and the labels of the held-out rows are heavy, light, middle: "
        "every answer of it would count as wrong; let the model name its classes as labels are written"
    )
    assert world.registry.aliases["champion"] == "1"


def test_labels_that_were_renamed_count_against_a_champion_that_was_trained_on_the_old_ones(
    served: World, tmp_path: Path
) -> None:
    world = served.branch(tmp_path / "world")
    world.registry.models[Version("1")] = renamed(kinds_model(1.0))
    world.ask(RequestKind.TRIGGER)
    run = last_run(world)
    assert run.phase is Phase.SHADOWING, run.outcome_reason
    assert run.details["evaluation"]["champion"]["accuracy"] == 0.0


def test_rows_that_cannot_be_scored_are_left_out_and_asked_for_once(served: World, tmp_path: Path) -> None:
    world = served.branch(tmp_path / "world")
    model = kinds_model(0.3)

    def blind_above_zero(rows: pa.Table) -> Any:
        x = rows["x"].to_numpy(zero_copy_only=False)
        scores: Any = model(rows)
        return scores.take(pa.array(np.arange(len(x)), mask=x > 0))

    world.registry.models[Version("1")] = blind_above_zero
    world.live(14, step=7)
    verdict = [one for one in world.verdicts() if one.monitor == "brier"][-1]
    until = verdict.as_of - 2 * HOUR
    x = world.watch.row_log.read(until - 12 * HOUR, until)["x"].to_numpy(zero_copy_only=False)
    assert verdict.n == int((x <= 0).sum())
    world.open()
    world.settle()
    assert world.scorer.scored == []


def test_accuracy_is_estimated_before_labels_are_there(tmp_path: Path) -> None:
    text = POLICY.replace(
        "  fresh:",
        "  unseen: {type: estimated_performance, metric: accuracy, window: 12h, below: 0.4, min_rows: 300}\n"
        "  fresh:",
    )
    world = Kinds(tmp_path, policy_text=text)
    world.registry.register(kinds_model(1.0), KNOWN)
    world.registry.aliases["champion"] = Version("1")
    world.live(54, step=18)
    last = [one for one in world.verdicts() if one.monitor == "unseen"][-1]
    assert (last.status, last.n) == (Status.OK, 360)
    best = [one for one in world.verdicts() if one.monitor == "brier"][-1]
    assert best.value is not None
    assert last.value == pytest.approx(best.value, abs=0.06)
    scored = {version for version, _ in world.scorer.scored}
    assert scored == {"1"}
    hours_served = (last.as_of - START) // HOUR - 24
    assert sum(rows for _, rows in world.scorer.scored) == 30 * hours_served

"""A search for parameters on a function whose best ones are known."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ctrain.child.fitting import fit
from ctrain.child.search_space import grid, inside, left_out
from ctrain.child.trials import TRIALS, asked_elsewhere
from ctrain.child.tuning import tune
from ctrain.policy.tuning import Choices, Range, Tune
from tests.support.lines import line_job, line_rows, write_lines

FUNCTIONS = """
def given(rows, context):
    if context.params["slope"] < -1:
        raise ValueError("too steep")
    return Line(context.params["slope"] * (-1 if context.params.get("sign") == "minus" else 1))
"""
SLOPE = {"low": -3.0, "high": 3.0, "log": False, "step": None}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return write_lines(tmp_path, FUNCTIONS)


def job_of(code: Path, space: dict[str, Any], **search: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"sampler": "tpe", "trials": 30, "timeout_seconds": None, "folds": 2, "start": {}}
    params = search.pop("params", {})
    tune = {**given, "space": space, **search}
    return line_job(code, params=params, entrypoint="lines:given", tune=tune)


def tuned(job: dict[str, Any], slope: float = 1.7) -> dict[str, Any]:
    told: dict[str, Any] = {}
    model = fit(job, line_rows(slope, n=100), Path(job["code_folder"]), told.update)
    assert model.slope == pytest.approx(told["tuning"]["params"]["slope"])
    found: dict[str, Any] = told["tuning"]
    return found


@pytest.mark.parametrize(("sampler", "within"), [("tpe", 0.3), ("random", 0.5)])
def test_the_best_parameters_are_found_and_the_model_is_fitted_with_them(
    code: Path, sampler: str, within: float
) -> None:
    found = tuned(job_of(code, {"slope": SLOPE}, sampler=sampler))
    assert found["params"]["slope"] == pytest.approx(1.7, abs=within)
    assert (found["trials"], found["sampler"], found["metric"]) == (30, sampler, "squared_error")
    assert found["failed"] > 0


def test_the_same_search_finds_the_same(code: Path) -> None:
    one, other = (tuned(job_of(code, {"slope": SLOPE}, trials=8)) for _ in range(2))
    assert one["params"] == other["params"]


def test_a_grid_is_tried_whole_and_no_more(code: Path) -> None:
    found = tuned(job_of(code, {"slope": {**SLOPE, "low": 0.0, "step": 0.5}}, sampler="grid"))
    assert (found["params"], found["trials"], found["failed"]) == ({"slope": 1.5}, 7, 0)


def test_it_begins_with_the_parameters_of_the_champion_and_then_the_policys(code: Path) -> None:
    known = {"slope": 1.7, "gone": 3}
    found = tuned(job_of(code, {"slope": SLOPE}, trials=1, start=known))
    assert (found["params"], found["warm_start"]) == ({"slope": 1.7}, pytest.approx(0))
    assert found["left_out"] == {"gone": 3}
    assert tuned(job_of(code, {"slope": SLOPE}, trials=1, params={"slope": 0.5}))["params"] == {"slope": 0.5}


@pytest.mark.parametrize("start", [{"slope": 9.0}, {"slope": "steep"}, {"other": 1.0}, {"slope": True}])
def test_parameters_that_the_space_has_not_are_no_beginning(code: Path, start: dict[str, Any]) -> None:
    found = tuned(
        job_of(code, {"slope": {**SLOPE, "low": 0.0}}, trials=2, start=start, params={"slope": 1.0})
    )
    assert 0.0 <= found["params"]["slope"] <= 3.0
    assert (found["warm_start"], found["left_out"]) == (None, start)


STEPS = {"low": 0.1, "high": 3.0, "step": 0.1}
WHOLE = {"low": 1, "high": 9}


@pytest.mark.parametrize(
    ("parameter", "value", "kept"),
    [
        (SLOPE, -3, -3.0),
        (SLOPE, 3.1, None),
        (SLOPE, float("nan"), None),
        (SLOPE, [1.0], None),
        (STEPS, 0.1 + 2 * 0.1, 0.1 + 2 * 0.1),
        (STEPS, 0.35, None),
        (WHOLE, 4.0, 4),
        (WHOLE, 4.5, None),
        ({**WHOLE, "step": 3.0}, 7, 7),
        ({**WHOLE, "step": 3.0}, 6, None),
        ({"values": [1, 2]}, 2.0, 2),
        ({"values": [1, 2]}, True, None),
        ({"values": [True, False]}, 1, None),
        ({"values": ["a", True]}, True, True),
        ({"values": ["a", "b"]}, "c", None),
    ],
)
def test_a_value_is_kept_as_the_space_has_it_or_left_out(
    parameter: dict[str, Any], value: Any, kept: Any
) -> None:
    space, params = {"it": parameter}, {"it": value}
    found = inside(space, params)
    assert found == ({} if kept is None else {"it": kept})
    assert [type(one) for one in found.values()] == ([] if kept is None else [type(kept)])
    assert left_out(space, params) == ({} if found else params)


@pytest.mark.parametrize("start", [{"slope": 0.7}, {"slope": 9.0}])
def test_between_two_steps_is_no_beginning_either(code: Path, start: dict[str, Any], capfd: Any) -> None:
    space = {"slope": {**SLOPE, "low": 0.0, "step": 0.5}}
    found = tuned(job_of(code, space, trials=1, start=start, params={"slope": 1.5}))
    assert (found["params"], found["left_out"]) == ({"slope": 1.5}, start)
    assert f"no such value: slope {start['slope']}\n" in capfd.readouterr().out


def test_a_part_of_the_champions_parameters_is_not_the_champions(code: Path) -> None:
    space = {"slope": SLOPE, "sign": {"values": ["plus", "minus"]}}
    partly = {"slope": 1.7, "sign": "none"}
    assert tuned_loosely(job_of(code, space, trials=1, start=partly))["warm_start"] is None
    whole = {"slope": 1.5, "sign": "plus"}
    found = tuned_loosely(job_of(code, space, trials=1, start=whole))
    assert found["warm_start"] == found["loss"] > 0


def tuned_loosely(job: dict[str, Any]) -> dict[str, Any]:
    """What a search found, whatever becomes of the model."""
    return tune(_given(Path(job["code_folder"])), job, line_rows(1.7, n=100), None)


def test_a_grid_of_a_policy_is_tried_to_its_last_point(code: Path) -> None:
    """Sixty points, of which the last is the best: without a number of trials none is left out."""
    space = {"slope": Range(low=-0.45, high=0.5, step=0.05), "sign": Choices(values=("minus", None, "plus"))}
    wanted = Tune(sampler="grid", space=space)
    assert (wanted.wanted_trials, Tune(space=space).wanted_trials) == (60, 20)
    assert Tune(sampler="grid", trials=7, space=space).wanted_trials == 7
    search = {name: one.model_dump(mode="json") for name, one in wanted.space.items()}
    job = job_of(code, search, sampler="grid", trials=wanted.wanted_trials)
    tried: set[tuple[float, str | None]] = set()

    def line(_: int, params: Mapping[str, Any]) -> float:
        tried.add((round(params["slope"], 6), params["sign"]))
        return -float(params["slope"])

    found = tune(_given(code), job, line_rows(1.7, n=100), None, line)
    assert (len(tried), found["trials"]) == (60, 60)
    assert found["params"]["slope"] == pytest.approx(0.5)


def test_choices_and_whole_numbers_keep_their_types(code: Path) -> None:
    space = {
        "slope": {"low": 0, "high": 3, "log": False, "step": None},
        "sign": {"values": ["plus", "minus"]},
    }
    job = job_of(code, space, trials=25)
    found = tune(_given(code), job, line_rows(-2.0, n=100), None)
    assert found["params"] == {"slope": 2, "sign": "minus"}
    assert isinstance(found["params"]["slope"], int)


def _given(code: Path) -> Any:
    from ctrain.child.entrypoint import load_training_function

    return load_training_function("lines:given", code)


def test_when_all_trials_fail_the_training_fails(code: Path) -> None:
    with pytest.raises(ValueError, match="too steep"):
        fit(job_of(code, {"slope": {**SLOPE, "high": -2.0}}, trials=2), line_rows(1.0, n=100), code)


def test_no_trial_begins_after_the_timeout(code: Path) -> None:
    assert (
        tuned(job_of(code, {"slope": {**SLOPE, "low": 0.0}}, trials=1000, timeout_seconds=0.2))["trials"]
        < 1000
    )


def test_an_interpreter_without_optuna_says_so(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(RuntimeError, match=r"train\.tune needs optuna in the interpreter that trains"):
        fit(job_of(code, {"slope": SLOPE}), line_rows(1.0, n=100), code)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ({"values": ["a", None]}, ["a", None]),
        ({"low": 1, "high": 7, "step": 3.0}, [1, 4, 7]),
        ({"low": 0.1, "high": 0.3, "step": 0.1}, [0.1, 0.2, pytest.approx(0.3)]),
        ({"low": 0, "high": 1, "step": None}, [0, 1]),
    ],
)
def test_the_values_of_a_grid(parameter: dict[str, Any], values: list[Any]) -> None:
    assert grid(parameter) == values


def test_others_compute_the_trials_where_there_are_others(code: Path) -> None:
    """A parabola in the place of a training: the search knows only what it is answered."""

    def parabola(_: int, params: Mapping[str, Any]) -> float:
        if params["slope"] < -1:
            raise RuntimeError("nobody could compute it")
        return float((params["slope"] - 0.5) ** 2)

    job = job_of(code, {"slope": SLOPE}, trials=40, together=3)
    found = tune(_given(code), job, line_rows(1.7, n=100), None, parabola)
    assert found["params"]["slope"] == pytest.approx(0.5, abs=0.4)
    assert found["loss"] == pytest.approx((found["params"]["slope"] - 0.5) ** 2)
    assert found["trials"] == 40
    assert found["failed"] > 0


def test_a_question_is_asked_in_the_folder_and_its_answer_awaited(tmp_path: Path) -> None:
    assert asked_elsewhere(tmp_path, "lines:given") is None
    (tmp_path / TRIALS).mkdir()
    ask = asked_elsewhere(tmp_path, "lines:given")
    assert ask is not None
    (tmp_path / TRIALS / "0.answer.json").write_text('{"loss": 0.25}')
    (tmp_path / TRIALS / "1.answer.json").write_text('{"error": "ValueError: too steep"}')
    assert ask(0, {"slope": 2.0}) == 0.25
    asked = json.loads((tmp_path / TRIALS / "0.ask.json").read_text())
    assert asked == {"function": "lines:given", "params": {"slope": 2.0}}
    with pytest.raises(RuntimeError, match="ValueError: too steep"):
        ask(1, {"slope": -2.0})

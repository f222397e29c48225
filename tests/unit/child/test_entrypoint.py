"""Training functions are found beside their policy, and say what their models need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.child.entrypoint import load_training_function, pip_requirements


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "steps").mkdir()
    (tmp_path / "json.py").write_text("def train(rows, context):\n    return 'ours'\n")
    (tmp_path / "steps" / "fit.py").write_text(
        "import lonely_neighbour\n\ndef go(rows, context):\n    return lonely_neighbour.X\n"
    )
    (tmp_path / "lonely_neighbour.py").write_text("X = 3\n")
    (tmp_path / "late_train.py").write_text("train = 5\n")
    import json

    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]
    sys.modules["json"] = json


@pytest.mark.parametrize(
    ("entrypoint", "answer"),
    [("json:train", "ours"), ("steps/fit:go", 3), ("steps.fit:go", 3), ("steps/fit.py:go", 3)],
)
def test_the_function_beside_the_policy_is_found(code: Path, entrypoint: str, answer: object) -> None:
    assert load_training_function(entrypoint, code)(None, None) == answer


def test_what_is_not_there_is_named(code: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no nowhere\.py in"):
        load_training_function("nowhere:train", code)
    with pytest.raises(TypeError, match=r"late_train\.py has no function 'train'"):
        load_training_function("late_train:train", code)


def test_requirements_are_pinned_and_leave_out_what_is_not_installed() -> None:
    found = pip_requirements({"sklearn", "json", "lonely_neighbour", "_hidden"})
    names = [one.partition("==")[0] for one in found]
    assert names == ["cloudpickle", "mlflow", "numpy", "pandas", "scikit-learn"]
    assert all("==" in one for one in found)

"""The cookbook: every recipe is a valid policy that can be run, and its training file trains for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctrain.child.entrypoint import load_training_function
from ctrain.domain import Task, TrainingContext
from ctrain.policy.available import unavailable_parts
from ctrain.policy.checks import check_fleet
from ctrain.policy.files import load_policies
from ctrain.policy.models import Policy
from tests.support.reference import HANDBOOK

RECIPES = HANDBOOK / "recipes"
FILES = sorted(RECIPES.glob("*.yaml"))
N = 400


def test_every_recipe_is_valid_and_can_be_run() -> None:
    loaded, errors = load_policies(FILES, {})
    assert [problem for error in errors for problem in error.problems] == []
    assert check_fleet(loaded) == []
    assert {one.policy.policy: unavailable_parts(one.policy) for one in loaded} == {
        one.policy.policy: [] for one in loaded
    }
    assert len(loaded) == len(FILES) == 6


def test_every_recipe_is_told_of() -> None:
    page = (HANDBOOK / "cookbook.md").read_text()
    assert [
        one.name for one in RECIPES.iterdir() if one.is_file() and f"](recipes/{one.name})" not in page
    ] == []


def policy_of(file: Path) -> Policy:
    (loaded,), _ = load_policies([file], {})
    return loaded.policy


def rows_for(policy: Policy) -> pd.DataFrame:
    """Rows as a training function gets them: numbers as doubles, categories as strings."""
    random = np.random.default_rng(2)
    by_kind = policy.data.features.by_kind
    columns: dict[str, object] = {
        name: random.normal(size=N) for kind in ("numeric", "boolean", "date") for name in by_kind[kind]
    }
    columns |= {name: random.choice(["a", "b", "c"], N) for name in by_kind["categorical"]}
    task = policy.model.task
    labels = {
        Task.BINARY: random.integers(0, 2, N).astype(float),
        Task.MULTICLASS: random.choice(["x", "y", "z"], N),
        Task.REGRESSION: random.normal(size=N),
    }
    return pd.DataFrame({**columns, policy.data.labels.label: labels[task]})


@pytest.mark.parametrize(
    "file", [one for one in FILES if "command:" not in one.read_text()], ids=lambda file: file.stem
)
def test_the_training_file_of_a_recipe_trains(file: Path) -> None:
    policy = policy_of(file)
    rows, label, by_kind = rows_for(policy), policy.data.labels.label, policy.data.features.by_kind
    context = TrainingContext(policy.policy, "run", policy.model.task.value, label, by_kind, "2026", "2027")
    model = load_training_function(str(policy.train.entrypoint), RECIPES)(rows, context)
    answer = rows[list(context.feature_names)].head(7)
    found = model.predict(answer) if policy.model.task is Task.REGRESSION else model.predict_proba(answer)
    assert np.isfinite(found).all()
    assert len(found) == 7


def test_the_program_of_the_external_recipe_reads_what_it_is_given(tmp_path: Path) -> None:
    """MLflow is a stand-in here; the contract with a real one is that of `train.command`."""
    policy = policy_of(RECIPES / "external.yaml")
    rows_for(policy).to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "mlflow.py").write_text(
        "import contextlib, types\n"
        "start_run = contextlib.nullcontext\n"
        "log_metric = print\n"
        "models = types.SimpleNamespace(infer_signature=lambda rows, answers: len(answers))\n"
        "log_model = lambda model, **told: print('logged', told['signature'])\n"
        "sklearn = types.SimpleNamespace(log_model=log_model)\n"
    )
    environ = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "TRAINER_PYTHON": sys.executable,
        "CTRAIN_ROWS": str(tmp_path / "rows.parquet"),
        "CTRAIN_LABEL": policy.data.labels.label,
        "CTRAIN_FEATURES": json.dumps(dict(policy.data.features.by_kind)),
        "CTRAIN_PARAMS": json.dumps({**policy.train.params, "rounds": 5}),
    }
    done = subprocess.run(
        [str(one) for one in policy.train.command or ()],
        cwd=RECIPES,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"rows {N}", f"logged {N}"]

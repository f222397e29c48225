"""A program that trains: what it is told, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ctrain.child.command import CommandFailed, run_command, told

RUN = SimpleNamespace(info=SimpleNamespace(run_id="mlrun-1", experiment_id="7"))


class Logged:
    """MLflow's client, and what was logged to a run."""

    def __init__(self, *uris: str) -> None:
        self.uris = uris
        self.asked: dict[str, Any] = {}

    def search_logged_models(self, **asked: Any) -> list[Any]:
        self.asked = asked
        return [SimpleNamespace(model_uri=uri) for uri in self.uris]


def job_of(code: Path, *command: str) -> dict[str, Any]:
    context = {
        "policy": "clicks",
        "run_id": "clicks-4",
        "task": "binary",
        "label": "y",
        "features": {"numeric": ["x"], "categorical": []},
        "window_start": "2024-01-01T00:00:00+00:00",
        "window_end": "2024-01-02T00:00:00+00:00",
        "seed": 0,
        "params": {"depth": 3},
    }
    return {
        "command": command,
        "code_folder": str(code),
        "context": context,
        "registration": {"model": "clicks"},
    }


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    code, folder = tmp_path / "code", tmp_path / "attempt-1"
    code.mkdir()
    folder.mkdir()
    return code, folder


def test_it_is_told_what_to_train_and_where(folders: tuple[Path, Path]) -> None:
    code, folder = folders
    script = 'printf "%s %s %s %s" "$CTRAIN_LABEL" "$MLFLOW_RUN_ID" "$MLFLOW_EXPERIMENT_ID" "$PWD" > seen.txt'
    run_command(Logged("models:/m-1"), RUN, job_of(code, "sh", "-c", script), folder)  # type: ignore[arg-type]  # a stand-in
    assert (code / "seen.txt").read_text() == f"y mlrun-1 7 {code}"


def test_lists_and_mappings_are_json_and_weights_are_named_when_there_are_some(
    folders: tuple[Path, Path],
) -> None:
    code, folder = folders
    variables = told(job_of(code), folder)
    assert json.loads(variables["CTRAIN_PARAMS"]) == {"depth": 3}
    assert json.loads(variables["CTRAIN_FEATURES"]) == {"numeric": ["x"], "categorical": []}
    assert variables["CTRAIN_ROWS"] == str(folder / "rows.parquet")
    assert "CTRAIN_WEIGHTS" not in variables
    (folder / "weights.parquet").touch()
    assert told(job_of(code), folder)["CTRAIN_WEIGHTS"] == str(folder / "weights.parquet")


def test_the_model_that_it_logged_last_is_the_challenger(folders: tuple[Path, Path]) -> None:
    client = Logged("models:/m-2")
    assert run_command(client, RUN, job_of(folders[0], "true"), folders[1]) == "models:/m-2"  # type: ignore[arg-type]  # a stand-in
    assert client.asked["filter_string"] == "source_run_id = 'mlrun-1'"
    assert client.asked["order_by"] == [{"field_name": "creation_timestamp", "ascending": False}]


def test_a_uri_that_it_writes_wins(folders: tuple[Path, Path]) -> None:
    job = job_of(folders[0], "sh", "-c", 'echo "models:/clicks/9" > "$CTRAIN_RESULT"')
    assert run_command(Logged("models:/m-2"), RUN, job, folders[1]) == "models:/clicks/9"  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", "exit 3"), r"train\.command ended with 3$"),
        (("sh", "-c", "kill -9 $$"), r"train\.command ended by signal 9$"),
        (("/nowhere/make",), r"train\.command: /nowhere/make cannot be started: "),
        (("true",), r"train\.command made no model: it should log one to the MLflow run MLFLOW_RUN_ID"),
    ],
)
def test_what_fails_says_how(folders: tuple[Path, Path], command: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandFailed, match=message):
        run_command(Logged(), RUN, job_of(folders[0], *command), folders[1])  # type: ignore[arg-type]  # a stand-in

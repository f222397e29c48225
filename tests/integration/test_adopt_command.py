"""``ctrain adopt``: a champion of somebody else, from MLflow to a valid policy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ctrain.cli import app
from ctrain.domain import Task, Version
from ctrain.errors import TransientError
from ctrain.policy.available import unavailable_parts
from ctrain.policy.files import parse_policy
from ctrain.registry.client import MlflowRegistry
from tests.integration.conftest import Embedded
from tests.support.live import environment

FILLED_IN = {
    "folder of the served rows": "rows",
    "folder of the labels": "labels",
    "id column of the labels": "id",
    "label column": "y",
    "id column": "id",
    "time column": "at",
    "column of the logged prediction": "score",
    "column that says which version served the row": "version",
}


@pytest.fixture(scope="module")
def registered(embedded: Embedded) -> Embedded:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.somebody_else"],
        env={**environment(), "MLFLOW_TRACKING_URI": embedded.uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=embedded.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return embedded


@pytest.fixture
def adopt(registered: Embedded, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*words: str) -> Result:
        arguments = ["adopt", *words, "--home", str(registered.home)]
        return CliRunner().invoke(app, arguments, env={"CTRAIN_ACTOR": "ann"})

    return run


def test_a_scikit_learn_champion_is_taken_over(adopt: Any, registry: MlflowRegistry, tmp_path: Path) -> None:
    draft = tmp_path / "churn.yaml"
    done = adopt("churn? eu, #1", "--json", "--out", str(draft))
    assert (done.exit_code, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    digest = registry.digest("churn? eu, #1", Version("1"))
    assert {key: told[key] for key in told.keys() - {"policy"}} == {
        "model": "churn? eu, #1",
        "version": "1",
        "digest": digest,
        "flavour": "sklearn",
        "output": "probability",
        "task": "binary",
        "features": {"numeric": ["dep hour", "yes"], "categorical": []},
        "classes": ["0", "1"],
    }
    tags = registry.version("churn? eu, #1", Version("1")).tags
    assert (tags["ctrain.digest"], tags["ctrain.adopted_by"]) == (digest, "ann")
    assert draft.read_text() == told["policy"]
    assert_valid_when_filled_in(draft)


def test_a_generic_model_is_taken_over_by_its_version(
    adopt: Any, registry: MlflowRegistry, tmp_path: Path
) -> None:
    draft = tmp_path / "price.yaml"
    done = adopt("price", "--version", "1", "--out", str(draft), "--python", sys.executable)
    assert (done.exit_code, done.stderr) == (0, "")
    digest = registry.digest("price", Version("1"))
    assert done.stdout.startswith("price version 1 loads and predicts (pyfunc, value output)\n")
    assert f"digest {digest} is on record" in done.stdout
    assert registry.version("price", Version("1")).tags["ctrain.digest"] == digest
    assert "task: regression" in draft.read_text()
    assert f'python: "{sys.executable}"}}' in draft.read_text()
    assert_valid_when_filled_in(draft)


def assert_valid_when_filled_in(draft: Path) -> None:
    text = draft.read_text()
    asked = set(re.findall(r"<([^>]+)>", text.partition("\n")[2]))
    assert asked <= FILLED_IN.keys()
    draft.write_text(re.sub(r"<([^>]+)>", lambda match: FILLED_IN.get(match[1], ""), text))
    done = CliRunner().invoke(app, ["validate", str(draft), "--json"])
    assert done.exit_code == 0, done.output
    (notice,) = json.loads(done.stdout)["notices"]
    assert "train.entrypoint: there is no" in notice, "all of a draft can be run once there is code"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("price",),
            2,
            "price: no version has the alias champion; name one with --version, or set the alias",
        ),
        (
            ("price", "--version", "1", "--python", "no/such/python"),
            2,
            "--python: no/such/python is no program that can be run here",
        ),
        (
            ("broken", "--version", "1"),
            1,
            "broken version 1 cannot be taken over: RuntimeError: out of order",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_said_and_nothing_recorded(
    adopt: Any, registry: MlflowRegistry, words: tuple[str, ...], code: int, message: str
) -> None:
    done = adopt(*words)
    assert done.exit_code == code
    assert done.stderr.startswith(message)
    assert "ctrain.digest" not in registry.version("broken", Version("1")).tags


def test_a_model_that_takes_too_long_to_load_is_told_in_words(registered: Embedded) -> None:
    hasty = MlflowRegistry(registered.uri, loading_seconds=0.01)
    told = "version 1 of price cannot be examined: fetching, loading and trying it took longer than 0.01 s"
    with pytest.raises(TransientError, match=re.escape(told)):
        hasty.adopt("price", Version("1"))
    hasty.close()


def test_a_file_is_never_overwritten(adopt: Any, tmp_path: Path) -> None:
    draft = tmp_path / "price.yaml"
    draft.write_text("mine")
    done = adopt("broken", "--version", "1", "--out", str(draft))
    assert (done.exit_code, done.stderr) == (2, f"{draft}: exists already; name another file with --out\n")
    assert draft.read_text() == "mine"


def test_a_folder_that_is_not_there_is_told_before_anything_is_recorded(
    adopt: Any, registry: MlflowRegistry, tmp_path: Path
) -> None:
    draft = tmp_path / "absent" / "price.yaml"
    done = adopt("broken", "--version", "1", "--out", str(draft))
    told = f"{draft}: there is no such folder; make it, or name another file with --out\n"
    assert (done.exit_code, done.stderr) == (2, told)
    assert "ctrain.digest" not in registry.version("broken", Version("1")).tags


def test_a_policy_is_drafted_from_its_signature(adopt: Any, registered: Embedded, tmp_path: Path) -> None:
    given = ["init", "churn", "--from-model", "churn? eu, #1", "--label", "left it", "--event-time", "at"]
    given += ["--id", "customer", "--out", str(tmp_path / "churn"), "--home", str(registered.home)]
    done = CliRunner().invoke(app, given)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("churn? eu, #1 version 1 (probability output): 2 features\n")
    file = tmp_path / "churn" / "churn.yaml"
    loaded = parse_policy(file.read_text(), file, {}).policy
    assert (loaded.model.name, loaded.model.task, loaded.policy) == ("churn? eu, #1", Task.BINARY, "churn")
    assert loaded.data.features.by_kind["numeric"] == ("dep hour", "yes")
    assert (loaded.data.labels.label, loaded.data.labels.id, loaded.data.id) == (
        "left it",
        "customer",
        "customer",
    )
    assert unavailable_parts(loaded) == []
    assert (tmp_path / "churn" / "train_churn.py").is_file()
    assert (tmp_path / "churn" / "data" / "labels").is_dir()
    again = CliRunner().invoke(app, given)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "is there already; --force replaces it" in again.stderr
    pushed = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "pushed"), "--push"])
    assert (pushed.exit_code, pushed.stderr) == (0, "")
    assert "\nctrain adopt 'churn? eu, #1'; ctrain validate " in pushed.stdout
    row = '[{"customer": "1", "at": "2026-01-31T08:00:00Z", "dep hour": 0.5, "yes": 0.5}]'
    assert f"-d '{row}' http://127.0.0.1:9464/v1/policies/churn/rows\n" in pushed.stdout
    text = (tmp_path / "pushed" / "churn.yaml").read_text()
    assert text.count("source: {type: push}") == 2
    assert sorted(one.name for one in (tmp_path / "pushed").iterdir()) == ["churn.yaml", "train_churn.py"]


def test_a_model_without_a_champion_drafts_nothing(adopt: Any, registered: Embedded, tmp_path: Path) -> None:
    given = ["init", "price", "--from-model", "price", "--label", "y", "--event-time", "at", "--id", "id"]
    done = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "p"), "--home", str(registered.home)])
    assert done.exit_code == 2
    assert done.stderr.startswith("price: no version has the alias champion")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "words", [["adopt", "price"], [*["init", "p", "--from-model", "price", "--label", "y"]]]
)
def test_a_home_without_mlflow_is_told_and_left_alone(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    more = ["--event-time", "at", "--id", "id", "--out", str(tmp_path / "p")] if words[0] == "init" else []
    done = CliRunner().invoke(app, [*words, *more, "--home", str(tmp_path / "home")])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{tmp_path}/home: there is no MLflow here; name its home with --home")
    assert not list(tmp_path.iterdir())

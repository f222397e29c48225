from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from typer.testing import CliRunner

from ctrain import __version__
from ctrain.cli import app

FILES = Path(__file__).parent.parent / "policy_files"
MINIMAL = FILES / "minimal.yaml"
EXAMPLE = FILES / "example.yaml"
BAD = FILES / "bad" / "task.yaml"
BAD_PROBLEM = f"{BAD}:4: model.task: expected binary, multiclass or regression, got ranking"
SUFFIX = "is not available in this version of ctrain"
runner = CliRunner()


def test_a_valid_policy() -> None:
    result = runner.invoke(app, ["validate", str(MINIMAL)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"OK {MINIMAL} (churn)\n", "")


def test_parts_that_cannot_be_run_are_notices_and_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CTRAIN_NOTIFY_URL", "https://chat.example/hook")
    path = tmp_path / "policy.yaml"
    path.write_text(EXAMPLE.read_text().replace("launcher: {type: process}", "launcher: {type: kubernetes}"))
    (tmp_path / "train.py").write_text("def train(rows, context): ...\n")
    result = runner.invoke(app, ["validate", str(path)])
    assert result.exit_code == 0
    assert result.stdout == f"OK {path} (flight-delay)\n"
    assert result.stderr == f"notice: {path}: train.launcher.type: the launcher kubernetes {SUFFIX}\n"


def test_problems_go_to_stderr_and_the_exit_code_is_2() -> None:
    result = runner.invoke(app, ["validate", str(MINIMAL), str(BAD)])
    assert result.exit_code == 2
    assert result.stdout == f"OK {MINIMAL} (churn)\n"
    assert result.stderr == f"{BAD_PROBLEM}\n"


def test_json_has_the_same_answers() -> None:
    result = runner.invoke(app, ["validate", str(MINIMAL), str(BAD), "--json"])
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    [policy] = answer.pop("policies")
    assert answer == {"valid": False, "problems": [BAD_PROBLEM], "notices": []}
    assert (policy["policy"], policy["path"], len(policy["hash"])) == ("churn", str(MINIMAL), 64)


def test_two_policies_on_one_champion_are_a_problem(tmp_path: Path) -> None:
    text = MINIMAL.read_text()
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(text.replace("policy: churn", "policy: leavers"))
    result = runner.invoke(app, ["validate", str(tmp_path)])
    assert result.exit_code == 2
    assert "b.yaml: model.name: the alias champion of the model churn is looked after by" in result.stderr


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    result = runner.invoke(app, ["validate", str(tmp_path / "absent.yaml")])
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}/absent.yaml: cannot be read: No such file or directory\n"


def test_the_schema_is_printed_for_editors() -> None:
    result = runner.invoke(app, ["schema"])
    assert result.exit_code == 0
    Draft202012Validator.check_schema(json.loads(result.stdout))


def test_the_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"ctrain {__version__}\n")


def test_an_unknown_command_is_bad_input() -> None:
    assert runner.invoke(app, ["retrain"]).exit_code == 2


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in (
        "run",
        "validate",
        "schema",
        "compare",
        "status",
        "runs",
        "show",
        "why",
        "trigger",
        "pause",
    ):
        assert command in result.stdout

"""One file per fault; the lines that begin with ``#!`` say every problem that must be reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.errors import PolicyError
from ctrain.policy.files import load_policies, load_policy

FILES = Path(__file__).parent.parent / "policy_files"
BAD = sorted((FILES / "bad").glob("*.yaml"))
ENVIRON = {"SECRET": "hunter2"}


def expected_problems(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line.removeprefix("#! ") for line in lines if line.startswith("#! ")]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_problem_is_reported_with_line_key_and_remedy(path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(path, ENVIRON)
    assert [problem.removeprefix(f"{path}:") for problem in caught.value.problems] == expected_problems(path)


def test_all_problems_of_all_files_come_at_once() -> None:
    loaded, errors = load_policies([FILES, FILES / "bad"], ENVIRON | {"CTRAIN_NOTIFY_URL": "https://chat"})
    assert {one.path.name for one in loaded} == {"example.yaml", "minimal.yaml"}
    assert len(errors) == len(BAD)
    assert sum(len(error.problems) for error in errors) == sum(len(expected_problems(path)) for path in BAD)


def test_faults_of_different_kinds_in_one_file_are_all_reported(tmp_path: Path) -> None:
    text = (FILES / "minimal.yaml").read_text()
    text = text.replace("pane: 1h", "pane: often").replace("path: rows", "path: '${NOWHERE}'")
    text = text.replace("limits: {", "limits: {cooldwon: 1h, ").replace("policy: churn", "policy: a b")
    path = tmp_path / "several.yaml"
    path.write_text(text + "policy: again\n")
    with pytest.raises(PolicyError) as caught:
        load_policy(path, {})
    keys = [problem.removeprefix(f"{path}:").split(": ")[1] for problem in caught.value.problems]
    assert keys == ["policy", "data.source.path", "data.pane", "limits.cooldwon", "policy"]

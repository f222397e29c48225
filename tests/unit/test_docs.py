"""The README keeps up with the code: what a user can type, set or scrape is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ctrain.policy.available import unavailable_parts
from ctrain.policy.files import parse_policy
from tests.support.reference import README, ROOT, TABLES, section

TEXT = README.read_text()
READ_FROM_ENVIRONMENT = re.compile(r"\b(?:CTRAIN_[A-Z_]+|MLFLOW_TRACKING_URI)\b")
GIVEN_TO_CHILDREN = frozenset(
    f"CTRAIN_{name}"
    for name in (
        "ROWS", "WEIGHTS", "RESULT", "RUN_ID", "POLICY", "MODEL", "TASK", "LABEL", "FEATURES", "PARAMS",
        "SEED", "WINDOW_START", "WINDOW_END",
    )
)  # fmt: skip
"""Set by ctrain for commands that train; nothing for a user to set."""


@pytest.mark.parametrize("name", TABLES)
def test_reference_tables_are_what_the_code_says(name: str) -> None:
    assert section(TEXT, name) == TABLES[name](), "`make docs` writes the tables anew"


def environment_variables() -> set[str]:
    sources = [*(ROOT / "ctrain").rglob("*.py"), *(ROOT / "tests").glob("conftest.py")]
    return {name for path in sources for name in READ_FROM_ENVIRONMENT.findall(path.read_text())}


def test_every_environment_variable_is_documented() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert documented == environment_variables() - GIVEN_TO_CHILDREN


def test_every_variable_that_a_command_is_given_is_documented() -> None:
    assert environment_variables() >= GIVEN_TO_CHILDREN
    training = TEXT.partition("\n## Training\n")[2].partition("\n## ")[0]
    assert {name for name in GIVEN_TO_CHILDREN if f"`{name}`" not in training} == set()


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name in targets if f"make {name}" not in TEXT] == ["help", "venv", "clean"]


def test_promises_name_tests_that_exist() -> None:
    rows = re.findall(r"^\| (.+?) \| (`tests/.+?) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 11
    for promise, tests in rows:
        paths = re.findall(r"`(tests/[^`]+)`", tests)
        missing = [path for path in paths if not (ROOT / path).exists()]
        assert (promise, missing) == (promise, [])


def test_the_first_policy_is_valid_and_can_be_run() -> None:
    (text,) = re.findall(r"```yaml\n(.+?)```", TEXT, re.DOTALL)
    assert unavailable_parts(parse_policy(text, Path("clicks.yaml"), {}).policy) == []


def test_files_that_are_named_exist() -> None:
    named = re.findall(r"`((?:deploy|grafana|policies)/[^`*]*)`", TEXT)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_changelog_has_a_place_for_what_comes() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()

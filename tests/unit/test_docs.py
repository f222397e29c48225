"""README and handbook keep up with the code: what a user can type, set or scrape is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ctrain.cli import app
from ctrain.policy.available import unavailable_parts
from ctrain.policy.files import load_policies, parse_policy
from tests.support.policy_keys import EXAMPLES, examples
from tests.support.reference import HANDBOOK, README, ROOT, TABLES, page_of, pages, section

TEXT = README.read_text()
READ_FROM_ENVIRONMENT = re.compile(r"\b(?:CTRAIN_[A-Z_]+|MLFLOW_TRACKING_URI)\b")
OF_OTHERS = re.compile(
    r'environ(?:\.get|\.pop|\.setdefault)?[(\[]\s*"([A-Z_]+)"|"([A-Z_]+)" (?:not )?in (?:os\.)?environ'
)
GIVEN_TO_CHILDREN = frozenset(
    f"CTRAIN_{name}"
    for name in (
        "ROWS", "WEIGHTS", "RESULT", "RUN_ID", "POLICY", "MODEL", "TASK", "LABEL", "FEATURES", "PARAMS",
        "SEED", "ATTEMPT", "WINDOW_START", "WINDOW_END",
    )
)  # fmt: skip
"""Set by ctrain for commands that train; nothing for a user to set."""
DOCUMENTS = [*pages(), *sorted((ROOT / "deploy").glob("*.md")), ROOT / "tests" / "chaos" / "README.md"]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!\\)\]\((?P<target>[^)\s]+)\)")


@pytest.mark.parametrize("name", TABLES)
def test_reference_tables_are_what_the_code_says(name: str) -> None:
    assert section(page_of(name).read_text(), name) == TABLES[name](), "`make docs` writes the tables anew"


def test_every_key_of_a_policy_has_a_type_a_meaning_and_an_example_that_is_valid() -> None:
    loaded, errors = load_policies([EXAMPLES], {"HOME": "/root", "PAGER_SECRET": "whsec_c2VjcmV0"})
    assert [problem for error in errors for problem in error.problems] == []
    assert len(loaded) == 3
    shown = examples()
    assert [one.path for one in shown if not (one.type and one.text)] == []
    assert [one.path for one, example in shown.items() if one.leaf and not example] == []


def test_every_option_of_every_command_says_what_it_does() -> None:
    silent = [
        f"{' '.join(path)} {parameter.name}"
        for path, command in commands(get_command(app), ("ctrain",))
        for parameter in command.params
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False)
    ]
    assert silent == []


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command and all below it, each with the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def test_the_help_of_every_command_is_one_sentence_to_start_with() -> None:
    wrong = [
        path
        for path, command in commands(get_command(app), ())
        if not re.fullmatch(r"[A-Z][^\0]{15,160}\.", (command.help or "").split("\n\n")[0].strip())
    ]
    assert wrong == []


def environment_variables() -> set[str]:
    sources = [*(ROOT / "ctrain").rglob("*.py"), *(ROOT / "tests").glob("conftest.py")]
    return {name for path in sources for name in READ_FROM_ENVIRONMENT.findall(path.read_text())}


def test_every_environment_variable_is_documented() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert documented == environment_variables() - GIVEN_TO_CHILDREN


def test_every_variable_of_others_that_is_read_is_told_of() -> None:
    read = {
        match[1] or match[2]
        for path in (ROOT / "ctrain").rglob("*.py")
        for match in OF_OTHERS.finditer(path.read_text())
    }
    assert read >= {"COLUMNS", "NOTIFY_SOCKET", "OMP_NUM_THREADS"}
    told = "".join(document.read_text() for document in DOCUMENTS)
    assert {name for name in read - GIVEN_TO_CHILDREN if f"`{name}`" not in told} == set()


def test_every_variable_that_a_command_is_given_is_documented() -> None:
    assert environment_variables() >= GIVEN_TO_CHILDREN
    training = (HANDBOOK / "policies.md").read_text().partition("\n## Training\n")[2].partition("\n## ")[0]
    assert {name for name in GIVEN_TO_CHILDREN if f"`{name}`" not in training} == set()


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name in targets if f"make {name}" not in TEXT] == ["help", "clean"]


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


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:deploy|grafana|policies|tests)/[^`*{]*)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def anchors(document: Path) -> set[str]:
    """The fragments of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.replace("`", "").lower()).replace(" ", "-") for one in headings}


def dead_links(document: Path) -> Iterator[str]:
    for match in LINK.finditer(FENCED.sub("", document.read_text())):
        path, _, fragment = match["target"].partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        there = document.parent / path if path else document
        if not there.exists() or (fragment and fragment not in anchors(there)):
            yield match["target"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_no_link_is_dead(document: Path) -> None:
    assert list(dead_links(document)) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One `two`, three\n")
    page = tmp_path / "page.md"
    page.write_text("[a](there.md#one-two-three) [b](gone.md) [c](there.md#four) [d](https://e.example/#f)")
    assert list(dead_links(page)) == ["gone.md", "there.md#four"]


def test_every_page_of_the_handbook_is_in_the_readme() -> None:
    assert [page.name for page in pages()[1:] if f"](deploy/handbook/{page.name})" not in TEXT] == []


def test_the_changelog_has_a_place_for_what_comes() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()

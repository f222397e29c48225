"""What a shell is offered after `ctrain show <TAB>`; no home, no offer, and no word of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.domain import PolicyName
from ctrain.store import open_store
from tests.support.runs import a_run
from tests.support.world import START


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    store = open_store(f"sqlite:///{home / 'state.db'}", create=True)
    with store.write() as tx:
        for name in ("clicks", "churn", "orders"):
            tx.save_policy(PolicyName(name), "hash-1", f"/policies/{name}.yaml", {"model": name}, START)
        tx.create_run(a_run(7))
    return home


def offered(line: str, **environ: str | None) -> list[str]:
    """What bash is offered for the last word of a line."""
    asked = {"_CTRAIN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = CliRunner().invoke(
        app, prog_name="ctrain", env={"CTRAIN_DATABASE_URL": None, "CTRAIN_HOME": None, **asked, **environ}
    )
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ctrain why ", ["churn", "clicks", "orders"]),
        ("ctrain trigger c", ["churn", "clicks"]),
        ("ctrain status cl", ["clicks"]),
        ("ctrain show ", ["clicks-7"]),
        ("ctrain approve orders", []),
    ],
)
def test_names_of_the_home_are_offered(home: Path, line: str, names: list[str]) -> None:
    assert sorted(offered(line, CTRAIN_HOME=str(home))) == names


def test_a_home_on_the_line_is_asked(home: Path) -> None:
    assert offered(f"ctrain show --home {home} ") == ["clicks-7"]


@pytest.mark.parametrize("environ", [{"CTRAIN_HOME": "/no/home"}, {"CTRAIN_DATABASE_URL": "nonsense"}])
def test_where_nothing_can_be_read_nothing_is_offered(environ: dict[str, str]) -> None:
    assert offered("ctrain why ", **environ) == []


def test_a_command_is_completed_without_a_home() -> None:
    assert offered("ctrain sta", CTRAIN_HOME="/no/home") == ["status"]

"""``ctrain report`` on a home as a daemon leaves it: the files that it writes, and what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.policy.files import policy_identity
from tests.integration.test_explanations import DRIFTING, KNOWN
from tests.support.world import World

Ctrain = Callable[..., Any]
MOST_PNG_BYTES = 100_000
MOST_HTML_BYTES = 8_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs have drifted; no daemon runs, and the registry is out of reach."""
    made = World(tmp_path_factory.mktemp("report"), policy_text=DRIFTING, rows_per_hour=60)
    made.install(2.0, KNOWN)
    made.live(32, step=32)
    made.shift = 1.0
    made.live(8, step=8)
    loaded = made.watch.loaded
    with made.store.write() as tx:
        tx.save_policy(
            made.name, loaded.hash, str(loaded.path), policy_identity(loaded.policy), made.clock.now()
        )
    return made.folder / "home"


@pytest.fixture
def ctrain(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ctrain:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("CTRAIN_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["report", *arguments])


def test_what_drifted_is_drawn(ctrain: Ctrain, tmp_path: Path, home: Path) -> None:
    before = sorted((home / "runs").glob("[!.]*"))
    done = ctrain("clicks", "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    written = sorted((tmp_path / "out").iterdir())
    assert sorted(done.stdout.split()) == [str(path) for path in written]
    assert [path.name for path in written] == [
        "brier-over-time.png",
        "error-over-time.png",
        "inputs-distributions.png",
        "inputs-over-time.png",
        "report.html",
    ]
    for path in written[:4]:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20], "big") == 800
        assert len(content) < MOST_PNG_BYTES
    page = written[4].read_text()
    assert "clicks: what drifted" in page
    assert "inputs BREACHED" in page
    assert written[4].stat().st_size < MOST_HTML_BYTES
    assert sorted((home / "runs").glob("[!.]*")) == before


def test_one_monitor_as_json(ctrain: Ctrain) -> None:
    done = ctrain("clicks", "--monitor", "brier", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "policy": "clicks",
        "champion": "1",
        "monitors": ["brier"],
        "files": ["report-clicks/brier-over-time.png"],
        "failed": {},
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "nobody: no policy of this home; known: clicks"),
        (
            ["clicks", "--monitor", "inputz"],
            "--monitor inputz: clicks has the monitors brier, error, fresh, inputs",
        ),
    ],
)
def test_what_is_not_there_is_named(ctrain: Ctrain, arguments: list[str], said: str) -> None:
    done = ctrain(*arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_without_a_champion_there_is_nothing_to_compare_with(
    ctrain: Ctrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = World(tmp_path / "young", policy_text=DRIFTING)
    made.live(4, step=4)
    loaded = made.watch.loaded
    with made.store.write() as tx:
        tx.save_policy(
            made.name, loaded.hash, str(loaded.path), policy_identity(loaded.policy), made.clock.now()
        )
    monkeypatch.setenv("CTRAIN_HOME", str(made.folder / "home"))
    done = ctrain("clicks")
    assert done.exit_code == 1
    assert "clicks has no champion yet, so there is nothing to compare with" in done.output
    assert not (tmp_path / "report-clicks").exists()

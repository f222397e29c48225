"""`ctrain demo`: arguments, output and exit codes; the play itself is replaced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from ctrain.cli import demo as command
from ctrain.demo import performance
from ctrain.demo.daemon import Stage
from ctrain.demo.ledger import Means
from ctrain.demo.screen import Screen
from ctrain.demo.story import unmet
from ctrain.demo.summary import Summary
from ctrain.domain import Run
from ctrain.errors import TransientError
from tests.unit.demo.builders import day, first_model, fused, real_drift, shuffled

WHOLE_STORY = (first_model(), real_drift(), shuffled(), fused())


def _play(
    monkeypatch: pytest.MonkeyPatch,
    *arguments: str,
    runs: Sequence[Run] = WHOLE_STORY,
    error: BaseException | None = None,
) -> tuple[Result, list[Any]]:
    seen: list[Any] = []

    def perform(stage: Stage, screen: Screen, until: datetime) -> Summary:
        seen.extend([stage, until])
        if error is not None:
            raise error
        means = Means(0.15, 0.17, 10)
        return Summary(day(0), until, 10, 9, runs, {}, means, means, 1.0, stage.home, unmet(runs))

    monkeypatch.setattr(performance, "perform", perform)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    return CliRunner().invoke(app, ["demo", *arguments]), seen


def test_the_summary_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result, (stage, until) = _play(
        monkeypatch, "--home", str(tmp_path / "d"), "--json", "--until", "2013-07-01"
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["live_metric"] == 0.15
    assert found["home"] == str(tmp_path / "d") == str(stage.home)
    assert until == datetime(2013, 7, 1, tzinfo=UTC)
    assert stage.listen.startswith("127.0.0.1:")


def test_the_summary_for_a_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result, _ = _play(monkeypatch, "--home", str(tmp_path / "d"), "--listen", "127.0.0.1:9999")
    assert result.exit_code == 0
    assert "mlflow ui --backend-store-uri sqlite:///" in result.stdout


def test_a_story_that_did_not_come_true_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result, _ = _play(monkeypatch, "--home", str(tmp_path / "d"), runs=WHOLE_STORY[:2])
    assert result.exit_code == 1
    assert "NOT AS TOLD: the model of shuffled labels rejected was not seen" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (TransientError("the daemon stopped; its log says why"), 1, "d/daemon.log)"),
        (KeyboardInterrupt(), 130, "stopped; the daemon too"),
    ],
)
def test_how_it_ends_early(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, code: int, message: str
) -> None:
    result, _ = _play(monkeypatch, "--home", str(tmp_path / "d"), error=error)
    assert (result.exit_code, message in result.stderr) == (code, True)


@pytest.mark.parametrize("until", ["2012-12-31", "2013-01-01", "2014-01-02"])
def test_a_day_without_flights_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, until: str
) -> None:
    result, seen = _play(monkeypatch, "--home", str(tmp_path / "d"), "--until", until)
    assert result.exit_code == 2
    assert not seen
    assert not (tmp_path / "d").exists()


def test_a_strangers_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("")
    result, seen = _play(monkeypatch, "--home", str(tmp_path))
    assert (result.exit_code, seen) == (2, [])
    assert "not of an earlier demo" in result.stderr

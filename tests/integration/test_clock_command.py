"""``ctrain clock``: a home that lives in the past; the tutorial's test has it beside a real daemon."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ctrain.app import rehearsing
from ctrain.cli import app
from ctrain.clocks import StreamClock, SystemClock, open_clock
from ctrain.store import open_store

Clock = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def clock(home: Path) -> Clock:
    return lambda *words: CliRunner().invoke(app, ["clock", *words, "--home", str(home)])


def test_a_new_home_lives_in_the_past_and_goes_forward(home: Path, clock: Clock) -> None:
    assert clock().output.endswith("by the machine's clock\n")
    assert isinstance(open_clock(home), SystemClock), "a look changes nothing"
    done = clock("2026-05-01")
    assert (done.exit_code, done.output) == (
        0,
        "it is 2026-05-01 00:00 UTC; no daemon runs: `ctrain run PATH` goes on from here\n",
    )
    assert home.stat().st_mode & 0o777 == 0o700
    clock("2026-05-01T12:00+02:00")
    told = json.loads(clock("+1d", "--json").stdout)
    assert told == {"now": "2026-05-02T10:00:00+00:00", "rehearsal": True, "done": None}
    assert open_clock(home).now() == datetime(2026, 5, 2, 10, tzinfo=UTC)
    assert clock().output == "it is 2026-05-02 10:00 UTC, in a rehearsal\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("+1d",), "a first instant is needed, such as 2026-05-01; after that +1d is one\n"),
        (("+1 day",), "INSTANT 1 day: expected"),
        (("0026-05-01",), "year 26: expected an instant from 1970 to 2200\n"),
        (("9999-12-31",), "year 9999: expected an instant from 1970 to 2200\n"),
        (("yesterday",), "yesterday: expected an instant such as 2026-05-01 or 2026-05-01T12:00Z, or +1d\n"),
    ],
)
def test_what_is_no_instant_is_refused(
    home: Path, clock: Clock, words: tuple[str, ...], message: str
) -> None:
    done = clock(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert not home.exists()


def test_time_does_not_go_back(home: Path, clock: Clock) -> None:
    clock("2026-05-01")
    done = clock("2026-04-30")
    assert (done.exit_code, done.stderr) == (
        2,
        f"it is 2026-05-01 00:00 UTC in {home}: time does not go back\n",
    )
    assert open_clock(home).now() == datetime(2026, 5, 1, tzinfo=UTC)


def test_a_step_beyond_the_calendar_is_refused(clock: Clock) -> None:
    clock("2150-01-01")
    done = clock("+36000d")
    assert (done.exit_code, done.stderr) == (2, "year 2248: expected an instant from 1970 to 2200\n")


@pytest.mark.usefixtures("home")
def test_a_home_that_cannot_be_made_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o644)
    for home in (file, file / "home"):
        done = CliRunner().invoke(app, ["clock", "2026-05-01", "--home", str(home)])
        assert (done.exit_code, done.stderr) == (2, f"{home}: cannot be created: {file} is a file\n")
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_home_of_production_is_left_alone(home: Path, clock: Clock) -> None:
    home.mkdir()
    open_store(f"sqlite:///{home / 'state.db'}", create=True)
    done = clock("2026-05-01")
    assert (done.exit_code, done.stderr) == (
        2,
        f"{home}: is on the machine's clock; name a home of its own for a rehearsal: --home\n",
    )
    assert isinstance(open_clock(home), SystemClock)


@pytest.mark.parametrize(
    ("name", "value"),
    [("CTRAIN_DATABASE_URL", "postgresql://db/ctrain"), ("MLFLOW_TRACKING_URI", "http://mlflow:5000")],
)
def test_a_rehearsal_has_its_own_database_and_registry(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    done = clock("2026-05-01")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{name}: a rehearsal ")
    assert not home.exists()


def test_a_daemon_that_is_not_done_or_ends_is_told_of(
    home: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock("2026-05-01")
    open_store(f"sqlite:///{home / 'state.db'}", create=True)
    monkeypatch.setattr(rehearsing, "living_daemon", lambda _store: "vm:1:2:3")
    done = clock("+1h", "--wait", "0.1")
    assert (done.exit_code, done.output) == (1, "it is 2026-05-01 01:00 UTC; the daemon is not done yet\n")
    found = open_clock(home)
    assert isinstance(found, StreamClock)
    found.acknowledge(datetime(2026, 5, 1, 2, tzinfo=UTC))
    assert clock("+1h").output == "it is 2026-05-01 02:00 UTC; all that is due is done\n"
    holders = iter(["vm:1:2:3", None])
    monkeypatch.setattr(rehearsing, "living_daemon", lambda _store: next(holders))
    monkeypatch.setattr(rehearsing, "LOOK_SECONDS", 0.05)
    done = clock("+1h")
    assert (done.exit_code, done.stderr) == (1, "the daemon stopped; its log says why\n")

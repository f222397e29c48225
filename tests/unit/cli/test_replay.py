"""What commands over history make of dates and of files that they are to write."""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.app.past_files import Past
from ctrain.backtest.steps import MOST_STEPS
from ctrain.cli import app
from ctrain.cli.replay import as_utc, check_folder, ended_by_signals, parse_length, show_progress
from ctrain.errors import InputError


class Screen(io.StringIO):
    """What a terminal would be sent."""

    def isatty(self) -> bool:
        return True


NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-04 12:00", NOON),
        ("2024-03-04T12:00:00", NOON),
        ("2024-03-04T21:00:00+09:00", NOON),
        ("2024-03-04", NOON - timedelta(hours=12)),
    ],
)
def test_an_instant_without_a_zone_is_in_utc(text: str, instant: datetime) -> None:
    assert as_utc(datetime.fromisoformat(text)) == instant
    done = CliRunner().invoke(app, ["backtest", "absent.yaml", "--from", text])
    assert "--from" not in done.output
    assert done.exit_code == 2


@pytest.mark.parametrize("command", ["backtest", "tune"])
def test_a_file_without_a_folder_is_refused_before_history_is_read(tmp_path: Path, command: str) -> None:
    lost = tmp_path / "absent" / "found.json"
    done = CliRunner().invoke(app, [command, "absent.yaml", "--json", str(lost)])
    assert done.exit_code == 2
    assert f"there is no folder {lost.parent}" in done.output.replace("\n", "")
    check_folder(None, Path("-"), tmp_path / "found.json")


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_history_is_read(
    tmp_path: Path, option: str
) -> None:
    done = CliRunner().invoke(app, ["backtest", "absent.yaml", option, str(tmp_path)])
    assert done.exit_code == 2
    assert f"{tmp_path}: cannot be written: it is a folder" in done.output.replace("\n", "")


def test_a_length_is_above_zero() -> None:
    assert parse_length("--step", None) is None
    assert parse_length("--step", "1h30m") == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("backtest", "[default: (as long as it takes)]"),
        ("backtest", f"[default: (at most {MOST_STEPS} times)]"),
        ("backtest", "[default: (data.labels.source)]"),
        ("tune", "[default: (none)]"),
        ("tune", "[default: (data.source)]"),
        ("status", "[default: (CTRAIN_HOME, or .ctrain)]"),
        ("report", "[default: (report-POLICY)]"),
    ],
)
def test_help_tells_what_is_done_without_an_option(command: str, words: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert words in done.output


@pytest.mark.parametrize(
    ("command", "runs"),
    [("backtest", "ctrain.app.backtesting.run_backtest"), ("tune", "ctrain.app.tuning.run_tuning")],
)
def test_other_files_of_the_past_are_passed_on(
    monkeypatch: pytest.MonkeyPatch, command: str, runs: str
) -> None:
    def refuse(*given: object) -> None:
        raise InputError(f"asked for {given[-1]}")

    monkeypatch.setattr(runs, refuse)
    done = CliRunner().invoke(
        app, [command, "absent.yaml", "--history", "past/*.csv", "--history-labels", "labels"]
    )
    assert done.exit_code == 2
    assert f"asked for {Past(Path('past/*.csv'), Path('labels'))}" in done.output


def test_a_bar_goes_from_nothing_to_its_end_for_each_name(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as told:
        for name in ("policy", "never"):
            for share in (0.0, 0.5, 1.0):
                told(name, share)
    shown = re.findall(
        r"(policy|never) .*? +(\d+)%", re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", screen.getvalue())
    )
    assert list(dict.fromkeys(shown)) == [
        ("policy", "0"),
        ("policy", "100"),
        ("never", "0"),
        ("never", "100"),
    ]
    assert shown[-2:] == [("policy", "100"), ("never", "100")]


def test_without_a_screen_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as told:
        told("policy", 0.5)
    assert capsys.readouterr().err == ""


@contextmanager
def handled(number: signal.Signals, handler: signal.Handlers) -> Iterator[None]:
    """The process as one that was started with this, whatever the tests themselves were started with."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_what_is_under_way_by_an_exception(number: signal.Signals, code: int) -> None:
    with handled(number, signal.SIG_DFL):
        with pytest.raises(SystemExit) as ended, ended_by_signals():
            signal.raise_signal(number)
        assert ended.value.code == code
        assert signal.getsignal(number) == signal.SIG_DFL


def test_what_is_started_to_outlive_its_terminal_does() -> None:
    with handled(signal.SIGHUP, signal.SIG_IGN), ended_by_signals():
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        signal.raise_signal(signal.SIGHUP)

"""Settings of the environment: their defaults, their bounds, and what is said of a wrong one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.errors import InputError
from ctrain.settings import Retention, Settings

HOME = Path("of-ctrain").absolute()
DAY = timedelta(days=1)


def test_the_state_lies_in_the_home_unless_told() -> None:
    assert Settings.load(HOME, {}).database_url == f"sqlite:///{HOME}/state.db"
    address = "postgresql://ctrain@db/ctrain"
    assert Settings.load(HOME, {"CTRAIN_DATABASE_URL": address}).database_url == address


@pytest.mark.parametrize(
    ("environ", "kept"),
    [
        ({}, Retention(30 * DAY, 400 * DAY)),
        ({"CTRAIN_KEEP_VERDICTS_DAYS": "90"}, Retention(90 * DAY, 400 * DAY)),
        ({"CTRAIN_KEEP_HISTORY_DAYS": "30", "CTRAIN_KEEP_VERDICTS_DAYS": ""}, Retention(30 * DAY, 30 * DAY)),
    ],
)
def test_how_long_the_past_is_kept(environ: dict[str, str], kept: Retention) -> None:
    assert Settings.load(HOME, environ).retention == kept


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"CTRAIN_KEEP_VERDICTS_DAYS": "0"}, "CTRAIN_KEEP_VERDICTS_DAYS: expected a whole number of days"),
        ({"CTRAIN_KEEP_VERDICTS_DAYS": "1.5"}, "above 0, got '1.5'"),
        ({"CTRAIN_KEEP_HISTORY_DAYS": "99999999999"}, "CTRAIN_KEEP_HISTORY_DAYS: expected a whole number"),
        ({"CTRAIN_KEEP_HISTORY_DAYS": "29"}, "expected at least CTRAIN_KEEP_VERDICTS_DAYS"),
        ({"CTRAIN_WATCH_FOLDERS": "no"}, "CTRAIN_WATCH_FOLDERS: expected 0 or 1, got 'no'"),
        ({"CTRAIN_TICK_SECONDS": "nan"}, "CTRAIN_TICK_SECONDS: expected a number of seconds above 0"),
    ],
)
def test_what_cannot_be_used_is_said(environ: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Settings.load(HOME, environ)


@pytest.mark.parametrize(("environ", "console"), [({}, True), ({"CTRAIN_CONSOLE": "0"}, False)])
def test_the_console_is_served_unless_it_is_switched_off(environ: dict[str, str], console: bool) -> None:
    assert Settings.load(HOME, environ).console is console


@pytest.mark.parametrize(("environ", "watched"), [({}, True), ({"CTRAIN_WATCH_FOLDERS": "0"}, False)])
def test_folders_are_watched_unless_told(environ: dict[str, str], watched: bool) -> None:
    assert Settings.load(HOME, environ).watch_folders is watched

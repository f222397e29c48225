"""What commands over history make of dates and of files that they are to write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.cli.replay import as_utc, check_folder, parse_length

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


def test_a_length_is_above_zero() -> None:
    assert parse_length("--step", None) is None
    assert parse_length("--step", "1h30m") == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("backtest", "[default: (as long as it takes)]"),
        ("tune", "[default: (none)]"),
        ("status", "[default: (CTRAIN_HOME, or .ctrain)]"),
        ("report", "[default: (report-POLICY)]"),
    ],
)
def test_help_tells_what_is_done_without_an_option(command: str, words: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert words in done.output

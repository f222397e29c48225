"""``ctrain audit champion``: what it prints, and what it makes of approvals, refits and odd events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.domain import Event, PolicyName, RunId
from ctrain.store import open_store
from ctrain.store.heads import HEADS

NOW = datetime(2024, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CLICKS = PolicyName("clicks")
FIRST, SECOND = RunId("clicks-1"), RunId("clicks-2")
runner = CliRunner()

HISTORY: list[tuple[int, str, str, RunId | None, str, dict[str, Any]]] = [
    (0, "champion_found", "the champion alias names version 1", None, "ctrain", {"seen": "1"}),
    (1, "run_queued", "brier 0.25", FIRST, "ctrain", {"trigger": "degraded"}),
    (
        1,
        "run_training",
        "900 rows",
        FIRST,
        "ctrain",
        {
            "from": "QUEUED",
            "rows": 900,
            "holdout_rows": 100,
            "window_start": "2024-04-01T00:00:00+00:00",
            "holdout_start": "2024-04-28T00:00:00+00:00",
            "cut_off": "2024-05-01T00:00:00+00:00",
            "window": "the last 30d",
            "data_digest": "aa11",
        },
    ),
    (1, "run_evaluating", "trained", FIRST, "ctrain", {"from": "TRAINING", "version": "2", "digest": "d2"}),
    (1, "refit_begun", "gates passed", FIRST, "ctrain", {"refit": {"rows": 1000, "data_digest": "bb22"}}),
    (1, "refitted", "fitted again", FIRST, "ctrain", {"version": "3", "digest": "d3", "mlflow_run_id": "m3"}),
    (1, "run_shadowing", "goes on", FIRST, "ctrain", {"from": "EVALUATING"}),
    (2, "run_awaiting_approval", "won", FIRST, "ctrain", {"from": "SHADOWING", "rows": 5000}),
    (
        3,
        "run_promoting",
        "approved by ada: as agreed",
        FIRST,
        "ada",
        {
            "from": "AWAITING_APPROVAL",
            "approved": True,
            "by": "ada",
            "at": "2024-05-04",
            "reason": "as agreed",
        },
    ),
    (3, "promoted", "version 3 is the champion", FIRST, "ctrain", {"version": "3", "previous": "1"}),
    (4, "run_rolling_back", "worse", FIRST, "ctrain", {"from": "PROBATION", "rows": 800}),
    (
        4,
        "run_rolled_back",
        "version 1 is the champion again: worse",
        FIRST,
        "ctrain",
        {"from": "ROLLING_BACK"},
    ),
    (5, "champion_changed_outside", "gone", None, "ctrain", {"seen": None, "version": None}),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    with store.write() as tx:
        tx.save_policy(CLICKS, "h", "clicks.yaml", {}, NOW)
        for day, kind, message, run_id, actor, evidence in HISTORY:
            event = Event(CLICKS, kind, NOW + day * DAY, actor, message, run_id, "hash-1", evidence)
            tx.append_event(event)
    store.close()
    return tmp_path


def asked(home: Path, at: str) -> dict[str, Any]:
    found = runner.invoke(app, ["audit", "champion", "clicks", "--at", at, "--home", str(home), "--json"])
    assert found.exit_code == 0, found.output
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


@pytest.mark.parametrize(
    ("at", "version", "how"),
    [
        ("2024-04-30T23:59:59Z", None, ""),
        ("2024-05-01T00:00:00Z", "1", "champion_found"),
        ("2024-05-04T01:30:00+02:00", "1", "champion_found"),
        ("2024-05-04T02:00:00+02:00", "3", "promoted"),
        ("2024-05-05T00:00Z", "1", "run_rolled_back"),
        ("2024-05-07T00:00Z", None, "champion_changed_outside"),
    ],
)
def test_the_champion_of_an_instant(home: Path, at: str, version: str | None, how: str) -> None:
    found = asked(home, at)
    assert (found["version"], found["how"]) == (version, how)
    assert found["history"]["intact"] is True


def test_who_approved_and_what_a_refit_was_trained_on(home: Path) -> None:
    found = asked(home, "2024-05-04T12:00Z")
    origin = found["origin"]
    assert (found["since_at"], found["until_at"]) == (
        "2024-05-04T00:00:00+00:00",
        "2024-05-05T00:00:00+00:00",
    )
    assert origin["trained_on"] == {
        "window_start": "2024-04-01T00:00:00+00:00",
        "until": "2024-05-01T00:00:00+00:00",
        "rows": 1000,
        "data_digest": "bb22",
        "holdout_rows": 0,
        "why": "the last 30d",
    }
    assert (origin["trigger"], origin["digest"], origin["mlflow_run_id"]) == ("degraded", "d3", "m3")
    approval = {"approved": True, "by": "ada", "at": "2024-05-04", "reason": "as agreed", "event": 9}
    assert origin["approval"] == approval
    assert origin["shadow"]["evidence"] == {"rows": 5000}
    assert origin["gates"]["reason"] == "gates passed"


def test_a_person_reads_it(home: Path) -> None:
    arguments = ["audit", "champion", "clicks", "--at", "2024-05-04T12:00Z", "--home", str(home)]
    said = runner.invoke(app, arguments, env={"COLUMNS": "400"}).stdout
    for words in (
        "version 3, from 2024-05-04T00:00:00+00:00 until 2024-05-05",
        "1000 rows from 2024-04-01T00:00:00+00:00 to before 2024-05-01",
        "ada at 2024-05-04: as agreed",
        "history intact: 13 events",
    ):
        assert words in said


def test_an_answer_from_a_broken_history_says_so(home: Path) -> None:
    (home / HEADS).write_text(
        json.dumps({"number": 99, "hash": "0" * 64, "events": 99, "at": NOW.isoformat()}) + "\n"
    )
    found = runner.invoke(
        app, ["audit", "champion", "clicks", "--at", "2024-05-04T12:00Z", "--home", str(home)]
    )
    assert found.exit_code == 3
    assert "history broken: event 14" in found.stdout


@pytest.mark.parametrize("at", ["yesterday", "2024-05-04", "2024-05-04T12:00"])
def test_an_instant_needs_a_zone(home: Path, at: str) -> None:
    found = runner.invoke(app, ["audit", "champion", "clicks", "--at", at, "--home", str(home)])
    assert found.exit_code == 2
    assert "instant" in found.stderr


def test_an_unknown_policy_is_bad_input(home: Path) -> None:
    found = runner.invoke(
        app, ["audit", "champion", "click", "--at", "2024-05-04T12:00Z", "--home", str(home)]
    )
    assert found.exit_code == 2
    assert "known: clicks" in found.stderr

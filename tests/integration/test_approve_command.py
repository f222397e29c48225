"""``approve`` and ``reject`` put on record what a person has seen; a daemon that lives elsewhere answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.domain import Phase, PolicyName, RequestKind, Run, Version
from ctrain.lifecycle.approval import approval_wanted
from ctrain.store import open_store
from tests.support.runs import a_run

NOW = datetime(2024, 1, 1, tzinfo=UTC)
CLICKS = PolicyName("clicks")
runner = CliRunner()


def a_waiting_run() -> Run:
    run = a_run(1, Phase.AWAITING_APPROVAL, NOW, challenger_version=Version("7"))
    approval = approval_wanted(run, timedelta(days=3), NOW)
    return a_run(
        1, Phase.AWAITING_APPROVAL, NOW, challenger_version=Version("7"), details={"approval": approval}
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    store = open_store(f"sqlite:///{folder / 'state.db'}")
    with store.write() as tx:
        tx.save_policy(CLICKS, "hash-1", "clicks.yaml", {}, NOW)
        tx.create_run(a_waiting_run())
        tx.acquire_lease("policy:clicks", "elsewhere:1:2", tx.database_now(), timedelta(hours=1))
    store.close()
    return folder


@pytest.mark.parametrize(
    ("command", "kind"), [("approve", RequestKind.APPROVE), ("reject", RequestKind.REJECT)]
)
def test_an_answer_is_bound_to_what_stands_on_record(home: Path, command: str, kind: RequestKind) -> None:
    known = a_waiting_run().details["approval"]
    arguments = [command, "clicks-1", "--reason", "fine", "--home", str(home), "--wait", "0", "--json"]
    found = runner.invoke(app, [*arguments, "--evidence", known["evidence"][:8]], env={"CTRAIN_ACTOR": "ann"})
    assert found.exit_code == 1, found.output
    assert json.loads(found.output)["answered"] is False
    runner.invoke(app, [*arguments, "--evidence", "f00"], env={"CTRAIN_ACTOR": "ann"})
    with open_store(f"sqlite:///{home / 'state.db'}").read() as tx:
        first, second = tx.open_requests(CLICKS)
    bound = {name: known[name] for name in ("challenger", "policy_hash", "evidence")}
    assert (first.kind, first.actor) == (kind, "ann")
    assert first.arguments == {"run": "clicks-1", "reason": "fine", **bound}
    assert second.arguments["evidence"] == "f00"


def test_show_says_what_is_approved_and_until_when(home: Path) -> None:
    shown = runner.invoke(app, ["show", "clicks-1", "--home", str(home)], env={"COLUMNS": "200"}).output
    assert f"version 7, evidence {a_waiting_run().details['approval']['evidence'][:12]}" in shown
    assert "expires 2024-01-04 00:00" in shown


def test_a_run_that_does_not_wait_is_refused_at_once(home: Path) -> None:
    with open_store(f"sqlite:///{home / 'state.db'}").write() as tx:
        run = tx.run(a_waiting_run().id)
        assert run is not None
        tx.save_run(a_run(1, Phase.REJECTED, NOW, ended_at=NOW), expected=Phase.AWAITING_APPROVAL)
    found = runner.invoke(app, ["approve", "clicks-1", "--home", str(home)])
    assert found.exit_code == 2
    assert "run clicks-1 is REJECTED: it waits for no approval" in found.output

"""What ``status`` asks of the database for each policy beyond what it reads of all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event

from ctrain.clocks import SystemClock
from ctrain.domain import PolicyName
from ctrain.queries import FleetQueries
from ctrain.store import open_store
from tests.contract.store.builders import START, decision, verdict


def statements(file: Path, policies: int) -> list[str]:
    store = open_store(f"sqlite:///{file}")
    with store.write() as tx:
        for number in range(policies):
            name = PolicyName(f"p{number:03d}")
            tx.save_policy(name, "h1", "/p.yaml", {}, START)
            tx.record_verdict(name, "h1", verdict())
            tx.record_decision(name, "h1", decision(), START)
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    status = FleetQueries(store, SystemClock(), {}).status()
    store.close()
    assert [len(one.verdicts) for one in status.policies] == [1] * policies
    return asked


def test_notices_and_monitors_are_asked_for_once_for_all_policies(tmp_path: Path) -> None:
    few, many = statements(tmp_path / "few.db", 2), statements(tmp_path / "many.db", 12)
    assert (len(many) - len(few)) / 10 <= 10
    for asked in (few, many):
        assert len([one for one in asked if "FROM outbox" in one]) == 1
        assert len([one for one in asked if "RECURSIVE pairs" in one]) == 1

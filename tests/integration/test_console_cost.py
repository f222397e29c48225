"""What the console's overview asks of the database does not grow with the policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from ctrain.domain import MonitorName, PolicyName
from tests.contract.store.builders import START, decision, verdict
from tests.support.web import Web


def statements(folder: Path, policies: int) -> int:
    """How many statements the first look at the overview takes; each policy has a verdict and a decision."""
    folder.mkdir()
    web = Web(folder)
    with web.store.write() as tx:
        for number in range(policies):
            name = PolicyName(f"p{number:03d}")
            tx.save_policy(name, "h1", "/p.yaml", {}, START, MonitorName("brier"))
            tx.record_verdict(name, "h1", verdict())
            tx.record_decision(name, "h1", decision(), START)
    asked: list[str] = []

    def count(_: Any, __: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        answer = web.ask("/")
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert answer.status_code == 200
    assert "p000" in answer.text
    return len([one for one in asked if one.lstrip().upper().startswith(("SELECT", "WITH"))])


@pytest.mark.parametrize("policies", [200])
def test_the_overview_asks_as_much_of_many_policies_as_of_few(tmp_path: Path, policies: int) -> None:
    few = statements(tmp_path / "few", 10)
    assert 0 < few == statements(tmp_path / "many", policies)

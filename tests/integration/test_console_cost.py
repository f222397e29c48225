"""What the console's overview asks of the database: as much of many policies as of few, nothing twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from ctrain.domain import MonitorName, PolicyName, Status
from ctrain.errors import TransientError
from ctrain.queries.remembered import Remembered
from ctrain.store import SqlStore
from ctrain.store.fleet import FleetAccess
from ctrain.web.console.ahead import look_ahead
from ctrain.web.console.rendering import templates
from tests.contract.store.builders import FLIGHTS, OTHER, START, decision, verdict
from tests.support.web import Web, tell_story


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


@pytest.fixture
def web(tmp_path: Path) -> Web:
    web = Web(tmp_path)
    tell_story(web.store)
    return web


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[PolicyName]]]:
    """What is read of the verdicts of which policies."""
    seen: list[tuple[str, list[PolicyName]]] = []

    def noting(name: str) -> Any:
        whole = getattr(FleetAccess, name)

        def reading(tx: FleetAccess, policies: list[PolicyName], *rest: Any) -> Any:
            seen.append((name, policies))
            return whole(tx, policies, *rest)

        return reading

    for name in ("verdict_lines", "main_values"):
        monkeypatch.setattr(FleetAccess, name, noting(name))
    return seen


def shown(web: Web) -> dict[str, tuple[str, str]]:
    """Of each policy its health and the label of its sparkline."""
    html = web.ask("/").text
    rows = re.findall(r'<tr id="policy-([^"]+)">(.*?)</tr>', html, re.DOTALL)
    found = {}
    for name, row in rows:
        health, label = (
            re.search(r'class="pill (\w+)"', row),
            re.search(r'aria-label="(\w+: from[^"]+)"', row),
        )
        found[name] = (health[1] if health else "", label[1] if label else "")
    return found


def test_only_policies_with_other_verdicts_are_read_again(web: Web, read: list[Any]) -> None:
    before = shown(web)
    assert before == {
        FLIGHTS: ("breached", "brier: from 0 to 0.4"),
        OTHER: ("inconclusive", ""),
    }
    assert sorted(read) == [("main_values", [OTHER, FLIGHTS]), ("verdict_lines", [FLIGHTS, OTHER])]
    read.clear()
    assert (shown(web), read) == (before, [])
    with web.store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", verdict(hours=5, value=0.3))
    assert shown(web)[FLIGHTS] == ("ok", "brier: from 0 to 0.3")
    assert sorted(read) == [("main_values", [FLIGHTS]), ("verdict_lines", [FLIGHTS])]


def test_verdicts_that_come_late_are_seen_whatever_they_are_as_of(web: Web) -> None:
    shown(web)
    with web.store.write() as tx:
        tx.record_verdict(OTHER, "h1", verdict("rows", hours=-9000))
    assert shown(web)[OTHER] == ("ok", "")
    with web.store.write() as tx:
        tx.record_verdicts(OTHER, "h1", [verdict("other", hours=-9999, status=Status.BREACHED)])
    assert shown(web)[OTHER] == ("breached", "")
    late = PolicyName("late")
    with web.store.write() as tx:
        tx.record_verdict(late, "h1", verdict())
        tx.save_policy(late, "h1", "/p.yaml", {}, START)
    assert shown(web)[late] == ("ok", "")


def test_the_sparkline_follows_the_main_monitor(web: Web) -> None:
    with web.store.write() as tx:
        tx.record_verdicts(FLIGHTS, "h1", [verdict("rows", hours=one, value=one + 1.0) for one in range(3)])
    assert shown(web)[FLIGHTS][1] == "brier: from 0 to 0.4"
    with web.store.write() as tx:
        tx.save_policy(FLIGHTS, "h1", "/p.yaml", {"model": "flights"}, START, MonitorName("rows"))
    assert shown(web)[FLIGHTS][1] == "rows: from 1 to 3"


def test_an_earlier_look_that_ends_later_is_not_what_stays() -> None:
    memory: Remembered[str] = Remembered()

    def look(sequence: int, told: str) -> str:
        return memory.look({FLIGHTS: sequence}, lambda names: dict.fromkeys(names, told))[FLIGHTS]

    assert [look(2, "new"), look(1, "old"), look(2, "new again"), look(2, "unread")] == [
        "new",
        "old",
        "new again",
        "new again",
    ]


def test_a_server_that_has_looked_ahead_reads_no_verdicts_for_its_first_page(
    web: Web, read: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_ahead(web.app)
    read.clear()
    monkeypatch.setattr(type(templates()), "compile", None)
    assert shown(web)[FLIGHTS] == ("breached", "brier: from 0 to 0.4")
    assert read == []


def test_a_server_looks_ahead_in_vain_while_the_database_is_away(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: SqlStore) -> None:
        raise TransientError("the database does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(SqlStore, "read", away)
        look_ahead(web.app)
    assert shown(web)[FLIGHTS][0] == "breached"


def test_a_policy_that_nobody_watches_beside_others_is_told(web: Web) -> None:
    assert "no daemon runs" in (alone := web.ask("/").text)
    assert "no daemon watches it" not in alone
    web.with_daemon()
    assert "no daemon watches it" not in web.ask("/").text
    with web.store.write() as tx:
        tx.save_policy(PolicyName("late"), "h1", "/p.yaml", {}, START)
    html = web.ask("/?state=unwatched").text
    assert "1 unwatched" in html
    assert html.count("no daemon watches it") == html.count('<tr id="policy-') == 1
    with web.store.write() as tx:
        tx.remove_policy(PolicyName("late"), START)
    html = web.ask("/").text
    assert ("no daemon watches it" in html, "its file was removed at 20" in html) == (False, True)

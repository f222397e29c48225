"""A daemon keeps the head of its history, and says when the history no longer leads to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.app.auditing import HeadKeeper
from ctrain.domain import Event, PolicyName
from ctrain.errors import TransientError
from ctrain.store import open_store
from ctrain.store.heads import HEADS, HeadFile
from tests.support.fakes import QuietTelemetry
from tests.support.house import House
from tests.support.world import POLICY, START


def test_a_daemon_that_stops_has_kept_the_head_of_its_history(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.world.store.write() as tx:
        tx.append_event(Event(PolicyName("clicks"), "paused", START, "ann", "paused by ann"))
    with house.daemon(house.loaded(POLICY, "clicks.yaml")):
        pass
    with house.world.store.read() as tx:
        newest, events = tx.newest_link(), tx.count_links()
    *_, head = HeadFile(house.settings.home).heads()
    assert newest is not None
    assert (head.number, head.hash, head.events) == (newest.number, newest.hash, events)
    assert "history_refused" not in house.heard.names()


def test_a_daemon_says_once_that_the_history_was_cut(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    (tmp_path / HEADS).write_text(
        '{"number": 7, "hash": "aa", "events": 7, "at": "2024-01-01T00:00:00+00:00"}\n'
    )
    telemetry = QuietTelemetry()
    keeper = HeadKeeper(tmp_path, store, telemetry)
    keeper.keep()
    keeper.keep()
    ((kind, fields),) = telemetry.logged
    store.close()
    assert kind == "history_refused"
    assert "the history does not hold event 7" in str(fields["message"])
    assert (tmp_path / HEADS).read_text().count("\n") == 1


def test_a_database_that_is_away_is_no_fault_of_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TransientError("the database does not answer")

    monkeypatch.setattr(HeadFile, "note", away)
    store, telemetry = open_store(f"sqlite:///{tmp_path / 'state.db'}"), QuietTelemetry()
    keeper = HeadKeeper(tmp_path, store, telemetry)
    keeper.keep()
    keeper.keep()
    store.close()
    assert telemetry.logged == [("history_head_failed", {"message": "the database does not answer"})]

"""``ctrain notify`` and what ``status``, ``pause`` and ``resume`` have to do with channels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ctrain.cli import app
from ctrain.clocks import StreamClockFile
from ctrain.domain import Notice, NoticeStatus, PolicyName
from ctrain.store import SqlStore, open_store
from tests.support.notices import CLICKS, START, at, notice
from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiver
from tests.support.world import POLICY

NOTIFY = """
notify:
  - {name: chat, on: [paused, failed], url: "${CHAT_URL}", secret: "${CHAT_KEY}"}
  - {name: pager, on: [failed], url: "${PAGER_URL}"}
"""


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{tmp_path / 'home' / 'state.db'}")
    path = tmp_path / "clicks.yaml"
    path.write_text(POLICY + NOTIFY)
    with store.write() as tx:
        tx.save_policy(CLICKS, "h1", str(path), {}, START)
    yield store
    store.close()


@pytest.fixture
def call(tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls a command on the home of ``store``."""
    monkeypatch.setenv("CTRAIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTRAIN_ACTOR", "ann")
    return lambda *words: CliRunner().invoke(app, words)


def bury(store: SqlStore, *numbers: int) -> None:
    with store.write() as tx:
        for number in numbers:
            tx.add_notice(notice(number, channel="chat"), number)
        ids = [one.id for one in tx.pending_notices(CLICKS, "chat")]
        tx.bury_notices(ids, at(60), "answered 410")


def pending(store: SqlStore, channel: str = "chat") -> list[Notice]:
    with store.read() as tx:
        return tx.pending_notices(CLICKS, channel)


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_test_message_says_what_each_channel_answered(
    call: Any, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", f"{server.url}/T0K3N")
    monkeypatch.setenv("CHAT_KEY", "whsec_c2VjcmV0")
    monkeypatch.setenv("PAGER_URL", f"http://127.0.0.1:{free_port()}/P4G3R")
    result = call("notify", "test", "clicks", "--json")
    assert result.exit_code == 1
    chat, pager = document(result)["channels"]
    assert chat == {"channel": "chat", "address": server.url, "done": True, "detail": "answered 200"}
    assert (pager["done"], pager["detail"]) == (False, "no answer: connection refused")
    [came] = server.received
    assert json.loads(came.body)["test"] is True
    assert "webhook-signature" in came.headers
    assert "T0K3N" not in result.output
    only = call("notify", "test", "clicks", "--channel", "chat")
    assert (only.exit_code, "answered 200" in only.output) == (0, True)
    assert call("notify", "test", "clicks", "--channel", "mail").exit_code == 2


def test_a_policy_file_can_be_tried_before_it_is_watched(call: Any, server: Receiver, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(POLICY + f'notify: [{{on: [failed], url: "{server.url}"}}]\n')
    assert call("notify", "test", str(path)).exit_code == 0
    path.write_text(POLICY)
    without = call("notify", "test", str(path))
    assert (without.exit_code, "has no channel: add notify" in without.output) == (2, True)
    assert call("notify", "test", "nobody").exit_code == 2


def test_dead_notices_are_listed_shown_in_status_and_sent_again(call: Any, store: SqlStore) -> None:
    assert "no notice waits" in call("notify", "list").output
    assert "no notice is dead" in call("notify", "retry").output
    bury(store, 1, 2)
    listed = document(call("notify", "list", "--json"))["policies"]["clicks"]
    assert listed["dead"] == 2
    assert {one["last_error"] for one in listed["troubled"]} == {"answered 410"}
    assert "answered 410" in call("notify", "list", "clicks").output
    status = document(call("status", "--json"))["policies"][0]
    assert (status["notices_dead"], status["notices_pending"]) == (2, 0)
    assert status["notices_error"] == "channel chat: answered 410"
    assert "2 dead, 0 wait; newest error: channel chat: answered 410" in call("status").output
    assert document(call("notify", "retry", "clicks", "--json")) == {"notices": 2, "daemon": None}
    assert [one.status for one in pending(store)] == [NoticeStatus.PENDING] * 2
    assert call("notify", "retry", "nobody").exit_code == 2
    assert call("notify", "list", "nobody").exit_code == 2


def test_the_channels_are_told_of_a_pause_also_where_their_variables_are_not_set(
    call: Any, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHAT_URL", "CHAT_KEY", "PAGER_URL"):
        monkeypatch.delenv(name, raising=False)
    assert call("pause", "clicks").exit_code == 0
    assert call("resume", "clicks").exit_code == 0
    [told] = pending(store)
    assert (told.kind, told.payload["actor"], told.payload["message"]) == ("paused", "ann", "paused by ann")
    assert pending(store, "pager") == []


def test_nobody_is_told_of_what_happens_on_stream_time(call: Any, store: SqlStore, tmp_path: Path) -> None:
    StreamClockFile(tmp_path / "home").set(START)
    assert call("pause", "clicks").exit_code == 0
    with store.read() as tx:
        assert tx.paused(CLICKS)
    assert pending(store) == []


def test_a_pause_needs_no_policy_file(call: Any, store: SqlStore, tmp_path: Path) -> None:
    (tmp_path / "clicks.yaml").write_text("version: 2\n")
    assert call("pause", "clicks").exit_code == 0
    with store.read() as tx:
        assert tx.paused(PolicyName("clicks"))
    assert pending(store) == []

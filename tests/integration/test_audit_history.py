"""What ``ctrain audit`` finds in a history that somebody has meddled with, and in one that nobody has.

Every damage is done by SQL, past the triggers that refuse it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.domain import Event, PolicyName
from ctrain.domain.audit import BEGINNING, Link, link_hash
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import open_store
from ctrain.store.heads import HEADS, HeadFile
from ctrain.store.history import event_hash

if TYPE_CHECKING:
    from ctrain.ports import Transaction

NOW = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVENTS = 9
runner = CliRunner()


def an_event(number: int, policy: str = "clicks", **evidence: Any) -> Event:
    found = {"number": number, "share": 0.1 * number, "none": None, "nan": float("nan"), **evidence}
    at = NOW + number * HOUR
    return Event(PolicyName(policy), "source_note", at, "ctrain", f"né {number}", evidence=found)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with a history of two policies."""
    file = tmp_path_factory.mktemp("told") / "state.db"
    store = open_store(f"sqlite:///{file}")
    with store.write() as tx:
        for name in ("clicks", "other"):
            tx.save_policy(PolicyName(name), "h", f"{name}.yaml", {}, NOW)
        for number in range(1, EVENTS + 1):
            tx.append_event(an_event(number, "clicks" if number % 3 else "other"))
    store.close()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA journal_mode=DELETE")
    raw.close()
    return file.read_bytes()


@pytest.fixture
def home(tmp_path: Path, told: bytes) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "state.db").write_bytes(told)
    return folder


def audit(home: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    found = runner.invoke(app, ["audit", "verify", *arguments, "--home", str(home), "--json"])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, json.loads(found.stdout) if found.exit_code != 2 else {"error": found.stderr}


def meddle(home: Path, *statements: str) -> None:
    raw = sqlite3.connect(home / "state.db")
    with raw:
        triggers = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            raw.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            raw.execute(statement)
    raw.close()


def write_anew(home: Path, first: int, **changes: Any) -> None:
    """Change the event and give it and all later ones the hashes that they would have."""
    raw = sqlite3.connect(home / "state.db")
    raw.row_factory = sqlite3.Row
    store = open_store(f"sqlite:///{home / 'state.db'}")
    with store.read() as tx:
        links = list(all_links(tx))
    store.close()
    meddle(home)
    previous = links[first - 2].hash if first > 1 else BEGINNING
    with raw:
        for link in links[first - 1 :]:
            content = {**link.content, **(changes if link.number == first else {})}
            new = link_hash(previous, content)
            values = (content["message"], previous, new, link.number)
            raw.execute("UPDATE events SET message = ?, prev_hash = ?, hash = ? WHERE id = ?", values)
            previous = new
    raw.close()


def test_a_history_that_nobody_touched_is_intact(home: Path) -> None:
    code, found = audit(home)
    assert (code, found["intact"], found["events"], found["fault"]) == (0, True, EVENTS, None)
    store = open_store(f"sqlite:///{home / 'state.db'}")
    with store.read() as tx:
        newest = tx.newest_link()
    assert newest is not None
    assert found["head"] == newest.hash


SWAP = (
    "UPDATE events SET id = 100 WHERE id = 4",
    "UPDATE events SET id = 4 WHERE id = 5",
    "UPDATE events SET id = 5 WHERE id = 100",
)
INSERT = (
    "UPDATE events SET id = id + 100 WHERE id > 4",
    "UPDATE events SET id = id - 99 WHERE id > 4",
    "INSERT INTO events (id, policy, kind, at, actor, message, policy_hash, evidence, prev_hash, hash) "
    "SELECT 5, policy, kind, at, actor, 'never', policy_hash, evidence, 'p', 'h' FROM events WHERE id = 4",
)
DAMAGES = {
    "message": (("UPDATE events SET message = 'harmless' WHERE id = 4",), 4, "it was changed"),
    "actor": (("UPDATE events SET actor = 'ann' WHERE id = 1",), 1, "it was changed"),
    "instant": (("UPDATE events SET at = at + 1 WHERE id = 9",), 9, "it was changed"),
    "instant is text": (("UPDATE events SET at = 'noon' WHERE id = 3",), 3, "it was changed"),
    "evidence": (("UPDATE events SET evidence = '{}' WHERE id = 4",), 4, "it was changed"),
    "evidence is no JSON": (("UPDATE events SET evidence = '{' WHERE id = 4",), 4, "it was changed"),
    "run": (("UPDATE events SET run_id = 'clicks-1' WHERE id = 4",), 4, "it was changed"),
    "hash": (("UPDATE events SET hash = 'x' WHERE id = 4",), 4, "it was changed"),
    "removed": (("DELETE FROM events WHERE id = 4",), 5, "does not follow event 3"),
    "first removed": (("DELETE FROM events WHERE id = 1",), 2, "does not follow the beginning"),
    "moved": (SWAP, 4, "does not follow event 3"),
    "inserted": (INSERT, 5, "does not follow event 4"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_first_bad_event_is_named(home: Path, damage: str) -> None:
    statements, bad, reason = DAMAGES[damage]
    meddle(home, *statements)
    code, found = audit(home)
    assert (code, found["intact"]) == (3, False)
    assert found["fault"]["event"] == bad
    assert reason in found["fault"]["reason"]
    said = runner.invoke(app, ["audit", "verify", "--home", str(home)])
    assert said.exit_code == 3
    assert said.stdout.startswith(f"broken: event {bad}")


def test_a_cut_off_end_is_found_by_the_head_that_was_kept(home: Path) -> None:
    assert audit(home)[0] == 0
    meddle(home, "DELETE FROM events WHERE id > 7")
    code, found = audit(home)
    assert (code, found["fault"]["event"]) == (3, 8)
    assert "the history ended with event 9" in found["fault"]["reason"]


def test_without_the_kept_head_a_person_still_finds_the_cut(home: Path) -> None:
    _, before = audit(home)
    meddle(home, "DELETE FROM events WHERE id > 7")
    (home / HEADS).unlink()
    assert audit(home)[0] == 0, "nothing in the chain itself tells of its end"
    code, found = audit(home, "--expect", before["head"])
    assert (code, found["fault"]["event"]) == (3, 8)
    assert audit(home, "--expect", before["head"][:20])[0] == 3


def test_a_history_written_anew_is_found_by_heads_and_by_what_a_person_kept(home: Path) -> None:
    _, before = audit(home)
    write_anew(home, 6, message="harmless")
    code, found = audit(home)
    assert (code, found["fault"]["event"]) == (3, 9)
    assert "another event stood here" in found["fault"]["reason"]
    (home / HEADS).unlink()
    assert audit(home)[0] == 0
    assert audit(home, "--expect", before["head"])[0] == 3


def test_an_earlier_head_is_expected_in_a_longer_history(home: Path) -> None:
    _, before = audit(home)
    store = open_store(f"sqlite:///{home / 'state.db'}")
    with store.write() as tx:
        tx.append_event(an_event(EVENTS + 1))
    store.close()
    code, found = audit(home, "--expect", before["head"].upper())
    assert (code, found["events"], found["heads_checked"]) == (0, EVENTS + 1, 1)


def test_events_that_come_during_the_check_were_not_cut_off(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon goes on: its event is not in the snapshot that is checked, its head is in the file."""
    assert audit(home)[0] == 0
    with sqlite3.connect(home / "state.db") as raw:
        raw.execute("PRAGMA journal_mode=WAL")
    raw.close()
    store = open_store(f"sqlite:///{home / 'state.db'}")

    def while_a_daemon_works(tx: Transaction) -> Iterator[Link]:
        for link in all_links(tx):
            if link.number == 4:
                with store.write() as other:
                    other.append_event(an_event(EVENTS + 1))
                assert HeadFile(home).note(store, NOW) is not None
            yield link

    monkeypatch.setattr("ctrain.app.auditing.all_links", while_a_daemon_works)
    code, found = audit(home)
    assert (code, found["events"], found["heads_checked"], found["fault"]) == (0, EVENTS, 1, None)
    store.close()


def test_a_history_written_anew_behind_the_last_head_is_found(home: Path) -> None:
    assert audit(home)[0] == 0
    write_anew(home, 1, message="harmless")
    meddle(home, "UPDATE events SET id = id + 100")
    code, found = audit(home)
    assert (code, found["fault"]["event"]) == (3, 101)
    assert "event 9 stood before it" in found["fault"]["reason"]


@pytest.mark.parametrize("text", ["abc", "not-hexadecimal!", "f" * 65])
def test_what_is_no_hash_is_bad_input(home: Path, text: str) -> None:
    code, found = audit(home, "--expect", text)
    assert code == 2
    assert "expected a hash" in found["error"]


def test_heads_are_kept_once_each_and_count_all_events(home: Path) -> None:
    store = open_store(f"sqlite:///{home / 'state.db'}")
    heads = HeadFile(home)
    first = heads.note(store, NOW)
    assert heads.note(store, NOW) is None
    with store.write() as tx:
        tx.append_event(an_event(10))
        tx.append_event(an_event(11))
    with heads.path.open("ab") as file:
        file.write(b'{"number": 11, "ha')  # a crash
    second = heads.note(store, NOW)
    assert first is not None
    assert second is not None
    assert (first.events, second.events, second.number) == (EVENTS, EVENTS + 2, EVENTS + 2)
    assert list(heads.heads()) == [first, second]
    assert heads.path.stat().st_mode & 0o777 == 0o600
    store.close()


@pytest.mark.parametrize(
    "line",
    ["x", '{"number": 1e999, "hash": "", "events": 1, "at": "2024-01-01T00:00:00Z"}', "[" * 2000],
    ids=["text", "infinite", "deep"],
)
def test_a_file_of_heads_that_is_none_is_bad_input(home: Path, line: str) -> None:
    (home / HEADS).write_text(f"{line}\n")
    code, found = audit(home)
    assert code == 2
    assert f"{HEADS}:1: this is no line of heads" in found["error"]


def export(home: Path, *arguments: str) -> list[dict[str, Any]]:
    found = runner.invoke(app, ["audit", "export", *arguments, "--home", str(home)])
    assert found.exit_code == 0, found.output
    return [json.loads(line) for line in found.stdout.splitlines()]


def written(tmp_path: Path, lines: list[dict[str, Any]]) -> Path:
    file = tmp_path / "history.jsonl"
    file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return file


def test_an_export_can_be_checked_by_anybody(home: Path, tmp_path: Path) -> None:
    """With hashlib and json alone, by what the documentation says."""
    header, *events, end = export(home)
    assert (header["schema"], header["follows"], end["events"]) == ("ctrain.history/1", BEGINNING, EVENTS)
    previous = header["follows"]
    for event in events:
        content = {k: v for k, v in event.items() if k not in {"line", "id", "prev_hash", "hash"}}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
        assert (event["hash"], event["prev_hash"]) == (previous, event["prev_hash"])
    assert end["head"] == previous


@pytest.mark.parametrize(
    "arguments",
    [(), ("--policy", "other"), ("--from", "2024-01-01T03:00Z", "--to", "2024-01-01T08:00+00:00")],
)
def test_an_export_is_whole_when_it_is_as_it_was_written(
    home: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    lines = export(home, *arguments)
    assert audit(tmp_path / "no-home", str(written(tmp_path, lines)))[0] == 0


def test_an_export_holds_what_was_asked_for(home: Path) -> None:
    of_other = export(home, "--policy", "other")
    assert [line["id"] for line in of_other[1:-1]] == [3, 6, 9]
    assert of_other[0]["follows"] is None
    of_a_time = export(home, "--from", "2024-01-01T03:00Z", "--to", "2024-01-01T08:00+00:00")
    assert [line["id"] for line in of_a_time[1:-1]] == [3, 4, 5, 6, 7]
    assert export(home, "--from", "2025-01-01T00:00Z")[-1]["events"] == 0


Change = Callable[[list[dict[str, Any]]], object]


def _forge(lines: list[dict[str, Any]]) -> None:
    """Change the last event and its hash, as somebody would who knows how."""
    event = lines[-2]
    event["message"] = "harmless"
    content = {k: v for k, v in event.items() if k not in {"line", "id", "prev_hash", "hash"}}
    event["hash"] = lines[-1]["head"] = link_hash(event["prev_hash"], content)


CHANGES: dict[str, tuple[Change, str]] = {
    "changed": (lambda lines: lines[2].update(message="harmless"), "it was changed"),
    "removed": (lambda lines: lines.pop(3), "does not follow event 2"),
    "moved": (lambda lines: lines.insert(2, lines.pop(4)), "does not follow event 1"),
    "first removed": (lambda lines: lines.pop(1), "does not follow the beginning"),
    "end cut off": (lambda lines: lines.pop(), "no end"),
    "last removed": (lambda lines: lines.pop(-2), "the end tells of 9 events, 8 are there"),
    "forged": (_forge, "a line of the export was changed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_export_is_found(home: Path, tmp_path: Path, change: str) -> None:
    lines = export(home)
    meddled, reason = CHANGES[change]
    meddled(lines)
    code, found = audit(tmp_path / "no-home", str(written(tmp_path, lines)))
    assert code == 3
    assert reason in found["fault"]["reason"]


def test_an_export_is_held_to_a_head_or_to_its_own_sum(home: Path, tmp_path: Path) -> None:
    lines = export(home)
    file = str(written(tmp_path, lines))
    for known in (lines[4]["hash"], lines[-1]["sha256"]):
        assert audit(home, file, "--expect", known)[0] == 0
    assert audit(home, file, "--expect", "0123456789abcdef")[0] == 3


@pytest.mark.parametrize("way", ["twice", "behind"])
def test_a_forged_export_that_names_the_expected_sum_is_found(home: Path, tmp_path: Path, way: str) -> None:
    """Beside the sum of what it holds, in the same line or behind it."""
    lines = export(home)
    known = lines[-1].pop("sha256")
    _forge(lines)
    file = written(tmp_path, lines[:-1])
    end = {**lines[-1], "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    with file.open("a") as more:
        told = json.dumps(end, separators=(",", ":"))
        sums = f'"sha256":"{known}","sha256"'
        more.write(told.replace('"sha256"', sums) if way == "twice" else f'{told}\n{{"sha256":"{known}"}}')
    code, found = audit(tmp_path / "no-home", str(file), "--expect", known)
    assert (code, found["intact"]) == (3, False)
    reason = "no event has the expected hash" if way == "twice" else "something stands behind the end"
    assert reason in found["fault"]["reason"]


INFINITE = (
    b'{"line": "event", "id": 1e999, "policy": "p", "kind": "k", "at": "", "actor": "", "message": "", '
    b'"run_id": null, "policy_hash": "", "evidence": {}, "prev_hash": "", "hash": ""}'
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}\n",
        b"x\n",
        b"[1]\n",
        b'{"schema": "ctrain.history/1"}\n{"line": "event"}\n',
        b'{"schema": "ctrain.history/1"}\n' + INFINITE,
    ],
)
def test_a_file_that_is_no_export_is_bad_input(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    assert audit(tmp_path, str(file))[0] == 2


def test_both_ways_to_hash_an_event_agree(home: Path) -> None:
    store = open_store(f"sqlite:///{home / 'state.db'}")
    with store.read() as tx:
        for link, event in zip(all_links(tx), reversed(tx.events()), strict=True):
            content = {name: getattr(event, name) for name in link.content}
            assert event_hash(link.prev_hash, content) == link.hash == link_hash(link.prev_hash, link.content)
    store.close()


def test_memory_does_not_grow_with_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peaks of two passes, one over three times as many events as the other."""
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}", durable=False)
    monkeypatch.setattr("ctrain.queries.audit_chain.PAGE", 100)
    peaks = []
    for grown_to in (500, 1_500):
        with store.write() as tx:
            for number in range(tx.count_links(), grown_to):
                tx.append_event(an_event(number))
        tracemalloc.start()
        with store.read() as tx:
            assert check_links(all_links(tx)).events == grown_to
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    store.close()
    assert peaks[1] < 1.2 * peaks[0]

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from ctrain.domain import Event, Notice, Phase, RunId
from ctrain.engine.noticed_store import NoticedStore
from ctrain.engine.notices import channels_of, kind_of, notices_of, payload_of, said
from ctrain.policy.files import load_policy
from ctrain.policy.notify_kinds import KIND_OF_EVENT, NOTICE_KINDS, Kind
from tests.support.notices import START, at, channel, event

FILES = Path(__file__).parents[1] / "policy_files"
ROOM = Path(__file__).parents[3] / "ctrain"


def test_every_word_has_its_meaning_and_no_event_has_two_words() -> None:
    assert set(NOTICE_KINDS) == set(get_args(Kind))
    assert len(KIND_OF_EVENT) == sum(len(one.events) for one in NOTICE_KINDS.values())


def test_every_word_stands_for_events_that_are_written() -> None:
    written = "".join(path.read_text() for path in ROOM.rglob("*.py") if "policy" not in path.parts)
    phases = {f"run_{phase.value.lower()}" for phase in Phase}
    assert [kind for kind in KIND_OF_EVENT if kind not in phases and f'"{kind}"' not in written] == []


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (event("run_failed"), "failed"),
        (event("promoted"), "promoted"),
        (event("run_rolled_back"), "rolled_back"),
        (event("rolled_back"), "rolled_back"),
        (event("superseded"), "superseded"),
        (event("superseded", run_id=RunId("clicks-1")), None),
        (event("run_superseded", run_id=RunId("clicks-1")), "superseded"),
        (event("alias_intent"), None),
    ],
)
def test_kinds_of_events(event: Event, kind: str | None) -> None:
    assert kind_of(event) == kind


def test_each_channel_gets_what_it_wants_under_a_key_of_its_own() -> None:
    both = (channel(name="chat"), channel(name="pager", kinds=frozenset({"failed"})))
    found = notices_of(event("run_failed", "exit 3"), 7, both, "clicks-model", START)
    assert [(one.channel, one.kind) for one in found] == [("chat", "failed"), ("pager", "failed")]
    assert len({one.key for one in found}) == 2
    assert found == notices_of(event("run_failed", "exit 3"), 7, both, "clicks-model", START)
    assert found[0].next_attempt_at == at(30)
    assert [one.channel for one in notices_of(event(), 8, both, "m", START)] == ["chat"]
    assert notices_of(event("alias_intent"), 9, both, "m", START) == []


def test_the_same_failure_has_the_same_fingerprint_whatever_its_numbers() -> None:
    [first] = notices_of(event("run_failed", "exit 3 after 12.5 s\nTraceback 1"), 1, (channel(),), "m", START)
    [again] = notices_of(event("run_failed", "exit 3 after 99.1 s\nTraceback 2"), 2, (channel(),), "m", START)
    [other] = notices_of(event("run_failed", "no rows"), 3, (channel(),), "m", START)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.subject == other.subject
    assert first.key != again.key


def test_promotions_are_never_the_same() -> None:
    [first] = notices_of(event(), 1, (channel(),), "m", START)
    [second] = notices_of(event(), 2, (channel(),), "m", START)
    assert first.subject != second.subject


def test_what_is_told_of_an_event() -> None:
    told = payload_of(
        event(run_id=RunId("clicks-4"), evidence={"version": "2", "previous": None, "gates": [1, 2]}),
        "clicks-model",
    )
    assert told == {
        "event": "promoted",
        "at": "2026-01-01T00:00:00+00:00",
        "actor": "ctrain",
        "message": "version 2 is the champion",
        "run": "clicks-4",
        "policy_hash": "",
        "model": "clicks-model",
        "version": "2",
    }
    assert len(payload_of(event(message="x" * 5000), "m")["message"]) == 1000


def test_said_leaves_out_what_changes_each_time() -> None:
    assert (
        said(event(message="attempt 3 of 4: ab12cd34ef failed at 12:30")) == "attempt # of #: # failed at #"
    )


def test_channels_of_a_policy() -> None:
    policy = load_policy(FILES / "example.yaml", {"CTRAIN_NOTIFY_URL": "https://chat.example/T0K3N"}).policy
    [found] = channels_of(policy)
    assert (found.policy, found.name, found.url) == ("flight-delay", "1", "https://chat.example/T0K3N")
    assert found.kinds == {"promoted", "rolled_back", "failed"}
    assert "T0K3N" not in repr(found) + repr(policy)


class Recording:
    """A store that remembers what its transactions did, and loses it when they fail."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notices: list[tuple[Notice, int]] = []

    @contextmanager
    def write(self) -> Iterator[Any]:
        before = list(self.events), list(self.notices)
        try:
            yield self
        except BaseException:
            self.events, self.notices = before
            raise

    read = write

    def append_event(self, event: Event) -> int:
        self.events.append(event)
        return len(self.events)

    def add_notice(self, notice: Notice, event_id: int) -> bool:
        self.notices.append((notice, event_id))
        return True

    def policies(self) -> list[str]:
        return ["clicks"]


def test_notices_are_written_in_the_transaction_of_their_event_or_not_at_all() -> None:
    store = Recording()
    noticed = NoticedStore(cast("Any", store), (channel(),), "clicks-model", lambda _: at(5))
    with noticed.write() as tx:
        assert tx.append_event(event("alias_intent")) == 1
        assert tx.append_event(event("promoted")) == 2
        assert tx.policies() == ["clicks"]
    [(written, event_id)] = store.notices
    assert (written.kind, event_id, written.waiting_since) == ("promoted", 2, at(5))
    with suppress(OSError), noticed.write() as tx:
        tx.append_event(event("promoted"))
        raise OSError
    assert len(store.notices) == 1
    with noticed.read() as tx:
        assert tx.policies() == ["clicks"]

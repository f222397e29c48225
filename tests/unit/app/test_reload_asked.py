"""Reloads that are asked for: each is done once by each daemon, and what came of it is on record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ctrain.app.reload_asked import ReloadRequests
from ctrain.domain.pushes import Reload, ReloadOutcome
from ctrain.errors import TransientError
from tests.support.fakes import FakeTimer, QuietTelemetry
from tests.support.world import START


class Asked:
    """The reloads on record, and a daemon that looks at them."""

    def __init__(self, *known: Reload) -> None:
        self.reloads = list(known)
        self.outcomes: dict[int, ReloadOutcome] = {}
        self.done: list[str] = []
        self.problem = ""
        self.telemetry = QuietTelemetry()
        self.looked = threading.Event()
        self.trouble: Exception | None = None
        store: Any = self
        timer: Any = FakeTimer()
        self.requests = ReloadRequests(
            store, timer, self.telemetry, "vm:1", self.look, lambda: self.done.append("again")
        )

    def look(self) -> str:
        self.done.append("look")
        self.looked.set()
        if self.trouble is not None:
            raise self.trouble
        return self.problem

    @contextmanager
    def write(self) -> Iterator[Any]:
        yield self

    read = write

    def newest_reload(self) -> Reload | None:
        return self.reloads[-1] if self.reloads else None

    def save_reload_outcome(self, number: int, outcome: ReloadOutcome) -> None:
        assert number not in self.outcomes
        self.outcomes[number] = outcome


def test_nothing_asked_is_a_look_like_any_other() -> None:
    asked = Asked()
    asked.requests.look()
    assert (asked.done, asked.outcomes, asked.telemetry.logged) == (["look"], {}, [])


def test_what_is_asked_is_done_once_and_answered() -> None:
    asked = Asked()
    asked.reloads.append(Reload(1, "token ops", START))
    asked.requests.look()
    asked.requests.look()
    assert asked.done == ["again", "look", "look"]
    assert [(number, one.daemon, one.succeeded) for number, one in asked.outcomes.items()] == [
        (1, "vm:1", True)
    ]
    assert asked.telemetry.logged == [("reload_asked", {"actor": "token ops"})]


def test_what_is_wrong_with_the_files_is_the_answer() -> None:
    asked = Asked(Reload(1, "ann", START))
    asked.problem = "x.yaml:3: no"
    asked.reloads.append(Reload(3, "bob", START))
    asked.requests.look()
    assert {number: (one.succeeded, one.message) for number, one in asked.outcomes.items()} == {
        3: (False, "x.yaml:3: no")
    }


def test_what_was_asked_before_a_daemon_began_was_done_when_it_began() -> None:
    asked = Asked(Reload(7, "ann", START))
    asked.requests.look()
    assert (asked.done, asked.outcomes) == (["look"], {})


def test_one_that_failed_is_done_again() -> None:
    asked = Asked()
    asked.reloads.append(Reload(1, "ann", START))
    asked.trouble = TransientError("the database is away")
    try:
        asked.requests.look()
    except TransientError:
        asked.trouble = None
    asked.requests.look()
    assert (asked.done, list(asked.outcomes)) == (["again", "look", "again", "look"], [1])


def test_a_hang_up_reads_the_files_now() -> None:
    asked = Asked()
    asked.requests.hang_up()
    assert asked.looked.wait(10)
    assert (asked.done, asked.outcomes) == (["again", "look"], {})
    assert asked.telemetry.logged == [("reload_asked", {"actor": "SIGHUP"})]

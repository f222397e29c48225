"""Threads that compute take turns, and leave theirs while they wait for something outside.

The interpreter runs one thread at a time, and hands over at each call that a library makes without it:
hundreds of times in a tick. Threads that compete there take twice the processor's time for the same work.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 0.25
"""Whoever keeps the turn for longer may be waiting for something, and others need not."""


class _Section:
    """What a thread does from beginning to end."""

    def __init__(self) -> None:
        self.begins = threading.Event()


class Turns:
    """Gives the turn to one section after the other: first to those that have begun, in the order of asking.

    Nothing depends on who has it: whoever waits longer than ``patience_seconds`` for the same holder takes it
    over, and that one goes on, too. So a holder that waits for a lock of somebody in the queue ends in no
    deadlock.
    """

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._holder: _Section | None = None
        self._changes = 0
        self._urgent: deque[_Section] = deque()
        """Those that hold what others wait for."""
        self._begun: deque[_Section] = deque()
        self._new: deque[_Section] = deque()
        self._of_thread = threading.local()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """A section of this thread, within a turn; one inside another changes nothing."""
        if self._section is not None:
            yield
            return
        section = self._of_thread.section = _Section()
        self._take(section, self._new)
        try:
            yield
        finally:
            self._of_thread.section = None
            self._leave(section)

    @contextmanager
    def waiting(self, *, urgent: bool = False) -> Iterator[None]:
        """While this thread waits for something outside; nothing unless it is ``computing``.

        ``urgent``: what it waits for is then held up until it has its turn again, which is the next.
        """
        section = self._section
        if section is None:
            yield
            return
        self._of_thread.section = None
        self._leave(section)
        try:
            yield
        finally:
            self._of_thread.section = section
            self._take(section, self._urgent if urgent else self._begun)

    @property
    def _section(self) -> _Section | None:
        section: _Section | None = getattr(self._of_thread, "section", None)
        return section

    def _take(self, section: _Section, queue: deque[_Section]) -> None:
        with self._lock:
            if self._holder is None:
                self._give_to(section)
                return
            section.begins.clear()
            queue.append(section)
            seen = self._changes
        while not section.begins.wait(self._patience_seconds):
            with self._lock:
                if self._changes == seen and self._holder is not section:
                    queue.remove(section)
                    self._give_to(section)
                    return
                seen = self._changes

    def _leave(self, section: _Section) -> None:
        with self._lock:
            if self._holder is section:
                queue = self._urgent or self._begun or self._new
                self._give_to(queue.popleft() if queue else None)

    def _give_to(self, section: _Section | None) -> None:
        self._holder = section
        self._changes += 1
        if section is not None:
            section.begins.set()


_OF_THIS_PROCESS = Turns()


def _begin_anew() -> None:
    """What held the turn is not in a fork."""
    global _OF_THIS_PROCESS  # noqa: PLW0603  # as the interpreter, there is one of it
    _OF_THIS_PROCESS = Turns()


os.register_at_fork(after_in_child=_begin_anew)


@contextmanager
def computing() -> Iterator[None]:
    """Take a turn among the threads of this process that compute."""
    with _OF_THIS_PROCESS.computing():
        yield


@contextmanager
def waiting(*, urgent: bool = False) -> Iterator[None]:
    """Leave this thread's turn, if it has one, while it waits for something outside of the process."""
    with _OF_THIS_PROCESS.waiting(urgent=urgent):
        yield

"""The same work on many items, shared between this process and forks of it.

Threads would wait for one another: each NumPy call of some ten microseconds takes and returns the
interpreter's lock. Forks have what was read and imported so far, and give back what they found, once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from ctrain.errors import CtrainError

MOST_AT_WORK = 4
"""Each needs memory of its own."""
MOST_TICKETS = 4096
_TICKET = struct.Struct("<H")
"""All of them fit into a pipe."""

_R = TypeVar("_R")


def in_forks(work: Callable[[str], _R], items: Sequence[str]) -> Iterable[_R]:
    """Return ``work`` of every item, in order; one after the other where there is one core, or no safe fork.

    What ``work`` returns or raises must be picklable.

    Raises
    ------
    CtrainError
        when a fork was killed.

    Examples
    --------
    >>> list(in_forks(str.upper, ["a", "b", "c"]))
    ['A', 'B', 'C']
    """
    at_work = min(_cores(), MOST_AT_WORK, len(items))
    if at_work < 2:
        return map(work, items)
    context = multiprocessing.get_context("fork")
    tickets = _tickets(min(len(items), MOST_TICKETS))
    forks = []
    try:
        for _ in range(at_work - 1):
            ours, theirs = context.Pipe(duplex=False)
            fork = context.Process(target=_work_apart, args=(work, items, tickets, theirs), daemon=True)
            fork.start()
            theirs.close()
            forks.append((fork, ours))
        found = dict(_drawn(work, items, tickets))
        for _, answers in forks:
            found.update(_answered(answers))
    finally:
        os.close(tickets)
        for fork, answers in forks:
            answers.close()
            fork.kill()
            fork.join()
    return [found[place] for place in range(len(items))]


def _cores() -> int:
    """Cores that this process may use; elsewhere than on Linux system libraries do not bear forks."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _tickets(count: int) -> int:
    """Return where to draw 0, 1, ... from, each of them once whoever draws and dies; then nothing."""
    drawn, filled = os.pipe()
    os.write(filled, b"".join(map(_TICKET.pack, range(count))))
    os.close(filled)
    return drawn


def _drawn(work: Callable[[str], _R], items: Sequence[str], tickets: int) -> Iterator[tuple[int, _R]]:
    """Work on what is drawn, until there is nothing left, and return each with its place."""
    while ticket := os.read(tickets, _TICKET.size):
        (first,) = _TICKET.unpack(ticket)
        for place in range(first, len(items), MOST_TICKETS):
            yield place, work(items[place])


def _work_apart(work: Callable[[str], Any], items: Sequence[str], tickets: int, answers: Connection) -> None:
    """What a fork does; an interrupt is for the process it came from."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answer: tuple[bool, Any] = (True, list(_drawn(work, items, tickets)))
    except Exception as error:  # noqa: BLE001  # raised again in the process it came from
        answer = (False, error)
    answers.send(answer)
    answers.close()


def _answered(answers: Connection) -> list[tuple[int, Any]]:
    try:
        done, found = answers.recv()
    except EOFError as error:
        raise CtrainError("a process that read columns was killed; is there enough memory?") from error
    if not done:
        raise found
    result: list[tuple[int, Any]] = found
    return result

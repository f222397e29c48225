"""The same work on many items, shared among forks of this process.

Threads would wait for one another: each NumPy call of some ten microseconds takes and returns the
interpreter's lock. Forks have what was read and imported so far, and give back what they found.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from ctrain.errors import CtrainError

MOST_FORKS = 4
"""Each needs memory of its own."""

_R = TypeVar("_R")
_work: Callable[[str], Any] | None = None
"""Of a fork: what it does; a function of the process it came from, which could not be sent to it."""


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
    forks = min(_cores(), MOST_FORKS, len(items))
    if forks < 2:
        return map(work, items)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(forks, context, initializer=_begin, initargs=(work,)) as pool:
        try:
            return list(pool.map(_do, items))
        except BrokenProcessPool as error:
            raise CtrainError("a process that read columns was killed; is there enough memory?") from error


def _cores() -> int:
    """Cores that this process may use; elsewhere than on Linux system libraries do not bear forks."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _begin(work: Callable[[str], Any]) -> None:
    """Begin a fork: an interrupt is for the process it came from."""
    global _work  # noqa: PLW0603  # set once, in a process that does nothing else
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work = work


def _do(item: str) -> Any:
    assert _work is not None
    return _work(item)

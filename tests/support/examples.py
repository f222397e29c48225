"""How many inputs a fuzzed test tries: few each time, and as many as somebody asks for."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

EXAMPLES = "CTRAIN_EXAMPLES"
LONGEST_SECONDS = 1.0

T = TypeVar("T")


def fuzzed(usual: int, steps: int = 50) -> settings:
    """The same inputs each time; ``CTRAIN_EXAMPLES`` asks for another number, and new ones each time."""
    asked = os.environ.get(EXAMPLES)
    return settings(
        max_examples=int(asked or usual),
        derandomize=not asked,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        stateful_step_count=steps,
    )


def promptly(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises; AssertionError when it takes over a second of this thread, twice.

    The first time somebody else may have been paid for: an import, the garbage of a thousand examples before.
    """
    begun = time.thread_time()
    try:
        return call()
    finally:
        if time.thread_time() - begun >= LONGEST_SECONDS:
            taken = _seconds_of(call)
            assert taken < LONGEST_SECONDS, f"took {taken:.1f} s"


def _seconds_of(call: Callable[[], object]) -> float:
    gc.collect()
    begun = time.thread_time()
    with contextlib.suppress(Exception):
        call()
    return time.thread_time() - begun

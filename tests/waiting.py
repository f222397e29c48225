"""Waiting for a condition: what tests do instead of sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None], timeout_seconds: float = 30.0, what: str = "condition"
) -> T:
    """The first true value of ``condition``; AssertionError when none came in time."""
    deadline = time.monotonic() + timeout_seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not hold within {timeout_seconds} s"
        pause.wait(0.02)

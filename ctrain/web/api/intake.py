"""How many batches are taken in at the same time: what they hold in memory, and which threads they keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from ctrain.sources.push_body import MOST_BYTES
from ctrain.web.problems import Refusal

T = TypeVar("T")
MOST_BATCHES = 64
"""Under way at the same time, from their first byte to the answer."""
MOST_HELD_BYTES = 8 * MOST_BYTES
"""Of bodies, by what they say of their lengths; one that says nothing counts as the largest."""
THREADS = 8
"""Of our own: whoever waits here for a turn keeps nobody else waiting."""
COME_AGAIN_SECONDS = 2


class Intake:
    """Whoever is one too many is sent away before their body is read; used by the event loop alone."""

    def __init__(self) -> None:
        self._batches = self._held = 0
        self._threads = CapacityLimiter(THREADS)

    @contextmanager
    def place(self, length: int | None) -> Iterator[None]:
        """A place for a batch of ``length`` bytes, kept until it is answered; Refusal when none is free."""
        size = MOST_BYTES if length is None else min(length, MOST_BYTES)
        if self._batches >= MOST_BATCHES or self._held + size > MOST_HELD_BYTES:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many batches are sent at the same time: send this one again in a moment",
                {"Retry-After": str(COME_AGAIN_SECONDS)},
            )
        self._batches, self._held = self._batches + 1, self._held + size
        try:
            yield
        finally:
            self._batches, self._held = self._batches - 1, self._held - size

    async def run(self, take: Callable[[], T]) -> T:
        """What ``take`` returns, from a thread of the batches' own."""
        return await to_thread.run_sync(take, limiter=self._threads)

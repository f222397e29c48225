"""Work side by side in threads that ends as one: what fails first ends the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class AbandonedError(Exception):
    """Something else failed: nobody waits for this part any more."""


class Together:
    """A context in which parts of one work are done, at most ``workers`` at a time, begun in order.

    A part that takes long calls ``go_on`` now and then.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._abandoned = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandoned.set()
        self._pool.shutdown(cancel_futures=error is not None)

    def begin(self, part: Callable[[], T]) -> Future[T]:
        """Have a part done as soon as there is a thread for it."""
        return self._pool.submit(self._do, part)

    def result(self, part: Future[T]) -> T:
        """Wait for what came of a part.

        Raises
        ------
        Exception
            what the part raised; when it was abandoned, what the part that failed first raised.
        """
        try:
            return part.result()
        except (AbandonedError, CancelledError):
            assert self._failure is not None
            raise self._failure from None

    @property
    def abandoned(self) -> bool:
        """True once nobody waits for the rest."""
        return self._abandoned.is_set()

    def go_on(self) -> None:
        """Return while the work is wanted.

        Raises
        ------
        AbandonedError
            once another part has failed, or the context was left by an exception.
        """
        if self.abandoned:
            raise AbandonedError

    def _do(self, part: Callable[[], T]) -> T:
        self.go_on()
        try:
            return part()
        except AbandonedError:
            raise
        except BaseException as error:
            with self._lock:
                self._failure = self._failure or error
            self._abandoned.set()
            raise

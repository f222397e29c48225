"""Wires around the engine's ports: whoever listens hears of every call before and after it.

A listener may change the world at that moment, or raise, as a crash would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Listener = Callable[[str, str, tuple[Any, ...]], None]
"""Told ``port.method``, ``before`` or ``after``, and the positional arguments."""


class Wired:
    """Passes every call on to ``target`` and tells the listener."""

    def __init__(self, target: Any, name: str, listener: Listener) -> None:
        self._target = target
        self._name = name
        self._listener = listener

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._listener(f"{self._name}.{method}", "before", arguments)
            result = found(*arguments, **options)
            self._listener(f"{self._name}.{method}", "after", arguments)
            return result

        return call


class WiredStore:
    """A store that tells of every commit: before it, with everything written and nothing kept, and after."""

    def __init__(self, store: Any, listener: Listener) -> None:
        self._store = store
        self._listener = listener

    @contextmanager
    def write(self) -> Iterator[Any]:
        with self._store.write() as tx:
            yield tx
            self._listener("store.commit", "before", ())
        self._listener("store.commit", "after", ())

    @contextmanager
    def read(self) -> Iterator[Any]:
        with self._store.read() as tx:
            yield tx

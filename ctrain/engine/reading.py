"""Reads of one tick: the same question is put to the database once, until something is written.

The steps of a tick are derived one by one from what is true now, and most of them ask the same few
things. Nobody but this daemon writes what they ask for, people's requests apart, and those can wait
for the next tick. Outside a tick every read goes to the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ctrain.ports import Store, Transaction


class TickReads:
    """A ``Store`` that remembers, between ``remembering`` and the next write, what was read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._remembered: dict[Any, Any] | None = None

    @contextmanager
    def remembering(self) -> Iterator[None]:
        self._remembered = {}
        try:
            yield
        finally:
            self._remembered = None

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction of the store; what was remembered may be wrong after it."""
        with self._store.write() as tx:
            try:
                yield tx
            finally:
                self._forget()
        self._forget()

    def _forget(self) -> None:
        if self._remembered is not None:
            self._remembered = {}

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A view that opens a transaction of the store only for what is not remembered."""
        if self._remembered is None:
            with self._store.read() as tx:
                yield tx
            return
        with ExitStack() as opened:
            yield cast("Transaction", _View(self._store, self._remembered, opened))


class _View:
    """Answers every method of a transaction from memory, or else from a transaction opened then."""

    def __init__(self, store: Store, remembered: dict[Any, Any], opened: ExitStack) -> None:
        self._store = store
        self._remembered = remembered
        self._opened = opened
        self._tx: Transaction | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*arguments: Any, **options: Any) -> Any:
            question = (name, arguments, tuple(sorted(options.items())))
            if question not in self._remembered:
                if self._tx is None:
                    self._tx = self._opened.enter_context(self._store.read())
                self._remembered[question] = getattr(self._tx, name)(*arguments, **options)
            return self._remembered[question]

        return ask

"""Reads of one tick: a question is asked once, until something is written that changes the answer.

The steps of a tick are derived one by one from what is true now, and most of them ask the same few
things. Nobody but this daemon writes what they ask for, people's requests apart, and those can wait
for the next tick. What only the holder of the policy's lease writes stands from tick to tick as long as
the lease is the same one: who has lost it is refused at the next write. Outside a tick every read goes to
the database. Where nobody else writes to it at all, as in a backtest, what was read stands until it is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

from ctrain.engine.store_answers import (
    ANSWERS,
    CHANGED_BY,
    FEW,
    OF_ONE_ANSWER,
    OF_ONE_TICK,
    OF_PAGES,
    STANDING,
    WISHES,
    Answers,
)

if TYPE_CHECKING:
    from ctrain.ports import Store, Transaction

Tenure = tuple[str, int] | None
"""Name and fencing token of a lease."""


class Memory:
    """Answers by question."""

    def __init__(self) -> None:
        self.answers: dict[str, Answers] = {}

    def ask(
        self, name: str, arguments: tuple[Any, ...], options: dict[str, Any], tx: Callable[[], Any]
    ) -> Any:
        """The answer as remembered, or else of the transaction that ``tx`` gives."""
        answers = self.answers.setdefault(name, {})
        question = (*arguments, *sorted(options.items()))
        if question not in answers:
            answers[question] = getattr(tx(), name)(*arguments, **options)
        return answers[question]

    def know(self, name: str, question: tuple[object, ...], answer: object) -> None:
        """Take note of an answer that was not asked for."""
        self.answers.setdefault(name, {})[question] = answer

    def forget(self, names: frozenset[str] | None = None) -> None:
        """Forget the answers to some questions; to all of them without names."""
        for name in self.answers.keys() if names is None else names:
            self.answers[name] = {}

    def keep_standing(self) -> None:
        """Forget all but short answers to questions that nobody else changes."""
        self.answers = {
            name: {question: answer for question, answer in answers.items() if _is_short(answer)}
            for name, answers in self.answers.items()
            if name in STANDING
        }


def _is_short(answer: object) -> bool:
    return not isinstance(answer, list) or len(answer) <= FEW


class TickReads:
    """A ``Store`` that remembers what was read: within ``remembering``, or always when ``alone``.

    ``alone`` says that nobody else writes to the store, not even people.
    """

    def __init__(self, store: Store, *, alone: bool = False) -> None:
        self._store, self._alone = store, alone
        self._memory = Memory()
        self._tenure: Tenure = None
        self._remembers = alone

    @contextmanager
    def remembering(self, tenure: Tenure = None) -> Iterator[None]:
        """Remember what is read; under the same ``tenure`` as the last time also what stood at its end."""
        if not self._alone and (tenure is None or tenure != self._tenure):
            self._memory.forget()
        self._tenure = tenure
        self._remembers = True
        try:
            yield
        finally:
            self._remembers = self._alone
            if self._alone:
                self._memory.forget(OF_ONE_TICK)
            elif tenure is None:
                self._memory.forget()
            else:
                self._memory.keep_standing()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction of the store; what it changes is not remembered, unless it says what it is then."""
        writing: _Writing | None = None
        try:
            with self._store.write() as tx:
                writing = _Writing(tx, self._memory, self._stands)
                yield cast("Transaction", writing)
            if self._remembers:
                writing.tell_wishes()
        except BaseException:
            self._memory.forget()
            raise
        finally:
            if writing is not None and not self._alone:  # others may have read what was there before
                self._memory.forget(frozenset(writing.changed))

    def _stands(self, name: str) -> bool:
        """Whether a transaction may take the answer to a question from memory."""
        if name in OF_PAGES:
            return False
        return self._alone or (self._remembers and self._tenure is not None and name in STANDING)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A view that opens a transaction of the store only for what is not remembered."""
        if not self._remembers:
            with self._store.read() as tx:
                yield tx
            return
        with ExitStack() as opened:
            yield cast("Transaction", _View(self._store, self._memory, opened))


class _View:
    """Answers every method of a transaction from memory, or else from a transaction opened then."""

    def __init__(self, store: Store, memory: Memory, opened: ExitStack) -> None:
        self._store = store
        self._memory = memory
        self._opened = opened
        self._tx: Transaction | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in OF_PAGES:
            asked: Callable[..., Any] = getattr(self._open(), name)
            return asked
        return lambda *arguments, **options: self._memory.ask(name, arguments, options, self._open)

    def _open(self) -> Transaction:
        if self._tx is None:
            self._tx = self._opened.enter_context(self._store.read())
        return self._tx


class _Writing:
    """A transaction that notes what it changes; what ``stands`` it answers from memory, too."""

    def __init__(self, tx: Transaction, memory: Memory, stands: Callable[[str], bool]) -> None:
        self._tx, self._memory, self._stands = tx, memory, stands
        self.changed: set[str] = set()
        """Questions whose answers are not known any more."""
        self._wishes = Memory()
        """What people want: nobody else writes as long as this transaction lasts."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._tx, name)
        if name in CHANGED_BY:
            return lambda *arguments, **options: self._change(name, found(*arguments, **options), arguments)
        if self._stands(name):
            return lambda *arguments, **options: self._memory.ask(name, arguments, options, lambda: self._tx)
        if name in WISHES:
            return lambda *arguments, **options: self._wishes.ask(name, arguments, options, lambda: self._tx)
        return found

    def tell_wishes(self) -> None:
        """Let what people wanted then stand for the rest of the tick."""
        for name, answers in self._wishes.answers.items():
            self._memory.answers.setdefault(name, {}).update(answers)

    def _change(self, name: str, answer: Any, arguments: tuple[Any, ...]) -> Any:
        """Forget what was remembered until the write was made: its arguments may have been asked for."""
        changes = CHANGED_BY[name]
        self._wishes.forget(changes & WISHES)
        if name in ANSWERS and all(map(self._stands, changes)):
            known = list(ANSWERS[name](self._memory.answers, *arguments))
            if name not in OF_ONE_ANSWER:
                self._memory.forget(changes)
            for question, of, value in known:
                self._memory.know(question, of, value)
        else:
            self._memory.forget(changes)
            self.changed |= changes
        return answer

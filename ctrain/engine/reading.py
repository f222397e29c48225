"""Reads of one tick: a question is asked once, until something is written that changes the answer.

The steps of a tick are derived one by one from what is true now, and most of them ask the same few
things. Nobody but this daemon writes what they ask for, people's requests apart, and those can wait
for the next tick. Outside a tick every read goes to the database, unless it is said that nobody else
writes to it at all: then what was read stands until it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ctrain.ports import Store, Transaction

_VERDICTS = frozenset({"verdicts", "latest_verdicts"})
_RUNS = frozenset({"run", "active_run", "runs"})
_POLICIES = frozenset({"policies", "policy_record", "paused"})
_INTENTS = frozenset({"open_intent", "intents"})
_REQUESTS = frozenset({"open_requests", "request"})
_NOTICES = frozenset(
    {
        "due_channels",
        "pending_notices",
        "finished_notices",
        "newest_notices",
        "notice_counts",
        "troubled_notices",
    }
)
_LEASES = frozenset({"lease_holder", "live_leases", "database_now"})
_PANES = frozenset({"panes", "pane_rows"})

CHANGED_BY: Mapping[str, frozenset[str]] = {
    "save_ingest_state": frozenset({"ingest_state"}),
    "add_segments": frozenset({"segments"}),
    "remove_segments": frozenset({"segments"}),
    "save_pane": _PANES,
    "save_panes": _PANES,
    "drop_panes": _PANES,
    "save_arrivals": frozenset({"arrivals"}),
    "drop_arrivals": frozenset({"arrivals"}),
    "prune": _VERDICTS | {"comparison_points", "decisions"},
    "prune_versions": frozenset({"reference", "detector"}),
    "save_reference": frozenset({"reference"}),
    "save_detector": frozenset({"detector"}),
    "record_verdict": _VERDICTS,
    "record_verdicts": _VERDICTS,
    "save_trigger_state": frozenset({"trigger_state"}),
    "record_decision": frozenset({"decisions"}),
    "claim_occurrence": frozenset({"last_occurrence"}),
    "create_run": _RUNS,
    "save_run": _RUNS,
    "add_comparison_point": frozenset({"comparison_points"}),
    "save_policy": _POLICIES,
    "set_paused": _POLICIES,
    "save_champion": frozenset({"champion"}),
    "append_event": frozenset({"events", "links", "newest_link", "count_links", "links_between"}),
    "record_intent": _INTENTS,
    "close_intent": _INTENTS,
    "add_request": _REQUESTS,
    "answer_request": _REQUESTS,
    "add_notice": _NOTICES,
    "claim_notices": _NOTICES,
    "settle_notices": _NOTICES,
    "suppress_notices": _NOTICES,
    "postpone_notices": _NOTICES,
    "bury_notices": _NOTICES,
    "bury_old_notices": _NOTICES,
    "revive_notices": _NOTICES,
    "drop_notices": _NOTICES,
    "acquire_lease": _LEASES,
    "acquire_leases": _LEASES,
    "renew_leases": _LEASES,
    "release_lease": _LEASES,
    "release_leases": _LEASES,
    "forget_leases": _LEASES,
    "require_token": frozenset(),
    "claim_home": frozenset(),
}
"""The questions that have another answer after each write."""
ANSWERS: Mapping[str, Callable[..., tuple[str, tuple[object, ...], object]]] = {
    "save_ingest_state": lambda policy, state: ("ingest_state", (policy,), state),
    "save_trigger_state": lambda policy, state: ("trigger_state", (policy, state.trigger), state),
}
"""Writes that say what the answer to a question is from then on: name and arguments of it, and the answer."""
OF_ONE_TICK = frozenset({"panes", "pane_rows", "arrivals", "reference"}) | _LEASES
"""Questions of so many kinds, or answers of such a size, that they are not kept for longer."""

Questions = dict[tuple[object, ...], Any]


class Memory:
    """Answers by question."""

    def __init__(self) -> None:
        self._answers: dict[str, Questions] = {}

    def ask(
        self, name: str, arguments: tuple[Any, ...], options: dict[str, Any], tx: Callable[[], Any]
    ) -> Any:
        """The answer as remembered, or else of the transaction that ``tx`` gives."""
        answers = self._answers.setdefault(name, {})
        question = (*arguments, *sorted(options.items()))
        if question not in answers:
            answers[question] = getattr(tx(), name)(*arguments, **options)
        return answers[question]

    def know(self, name: str, question: tuple[object, ...], answer: object) -> None:
        """Take note of an answer that was not asked for."""
        self._answers.setdefault(name, {})[question] = answer

    def forget(self, names: frozenset[str] | None = None) -> None:
        """Forget the answers to some questions; to all of them without names."""
        for name in self._answers.keys() if names is None else names:
            self._answers[name] = {}


class TickReads:
    """A ``Store`` that remembers what was read: within ``remembering``, or always when ``alone``.

    ``alone`` says that nobody else writes to the store, not even people.
    """

    def __init__(self, store: Store, *, alone: bool = False) -> None:
        self._store, self._alone = store, alone
        self._memory = Memory() if alone else None

    @contextmanager
    def remembering(self) -> Iterator[None]:
        self._memory = self._memory or Memory()
        try:
            yield
        finally:
            self._memory.forget(OF_ONE_TICK)
            if not self._alone:
                self._memory = None

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction of the store; what it changes is not remembered."""
        memory = self._memory
        if memory is None:
            with self._store.write() as tx:
                yield tx
            return
        writing: _Writing | None = None
        try:
            with self._store.write() as tx:
                writing = _Writing(tx, memory, reads=self._alone)
                yield cast("Transaction", writing)
        except BaseException:
            memory.forget()
            raise
        finally:
            if writing is not None and not self._alone:  # others may have read what was there before
                memory.forget(frozenset(writing.changed))

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A view that opens a transaction of the store only for what is not remembered."""
        if self._memory is None:
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
        return lambda *arguments, **options: self._memory.ask(name, arguments, options, self._open)

    def _open(self) -> Transaction:
        if self._tx is None:
            self._tx = self._opened.enter_context(self._store.read())
        return self._tx


class _Writing:
    """A transaction that notes what it changes; with ``reads`` it answers from memory, too."""

    def __init__(self, tx: Transaction, memory: Memory, *, reads: bool) -> None:
        self._tx, self._memory, self._reads = tx, memory, reads
        self.changed: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._tx, name)
        changes = CHANGED_BY.get(name)
        if changes is not None:
            return lambda *arguments, **options: self._change(
                changes, found(*arguments, **options), ANSWERS.get(name), arguments
            )
        if self._reads:
            return lambda *arguments, **options: self._memory.ask(name, arguments, options, lambda: self._tx)
        return found

    def _change(
        self,
        changes: frozenset[str],
        answer: Any,
        known: Callable[..., tuple[str, tuple[object, ...], object]] | None,
        arguments: tuple[Any, ...],
    ) -> Any:
        """Forget what was remembered until the write was made: its arguments may have been asked for."""
        self.changed |= changes
        if known is not None and self._reads:
            self._memory.know(*known(*arguments))
        else:
            self._memory.forget(changes)
        return answer

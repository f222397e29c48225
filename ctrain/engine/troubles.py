"""Troubles that come and go, on record when they begin and when they end; once, also across restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ctrain.engine.notices import without_numbers

if TYPE_CHECKING:
    from ctrain.domain import Event, PolicyName
    from ctrain.ports import Store, Transaction

TICK_FAILED, TICK_RECOVERED = "tick_failed", "tick_recovered"
POLICY_REFUSED, POLICY_ACCEPTED = "policy_refused", "policy_accepted"
BLIND = "nothing is compared on probation"
"""What the reason of a run on probation begins with while its rows cannot be scored."""
LONGEST_TEXT = 500
LONGEST_WORDS = 4_000
"""Of user code: what it raises may hold all of its data."""


class Told(Protocol):
    """Whose trouble it is: a policy under watch, or one that cannot be watched."""

    @property
    def name(self) -> PolicyName: ...

    @property
    def store(self) -> Store: ...

    def redact(self, text: str, /) -> str: ...

    def fence(self, tx: Transaction) -> None: ...

    def event(self, kind: str, message: str) -> Event: ...


def bounded(words: str) -> str:
    """The words of user code, without their middle where nobody reads as much."""
    if len(words) <= LONGEST_WORDS:
        return words
    half = LONGEST_WORDS // 2
    return f"{words[:half]} [{len(words) - 2 * half} characters left out] {words[-half:]}"


def begin_trouble(
    policy: Told, kind: str, end_kind: str, message: str, *, but_for_numbers: bool = False
) -> bool:
    """Put the beginning of a trouble on record; False when it is there, with the same message.

    A message that differs in nothing but its numbers is the same ``but_for_numbers``.
    """
    text = policy.redact(message)[:LONGEST_TEXT]
    known = _under_way(policy, kind, end_kind)
    read = without_numbers if but_for_numbers else str
    if known is not None and read(known.message) == read(text):
        return False
    _tell(policy, kind, text)
    return True


def end_trouble(policy: Told, kind: str, end_kind: str, message: str) -> bool:
    """Put the end of a trouble on record; False when none is under way."""
    if _under_way(policy, kind, end_kind) is None:
        return False
    _tell(policy, end_kind, message)
    return True


def _under_way(policy: Told, kind: str, end_kind: str) -> Event | None:
    with policy.store.read() as tx:
        return tx.trouble(policy.name, kind, end_kind)


def _tell(policy: Told, kind: str, message: str) -> None:
    with policy.store.write() as tx:
        policy.fence(tx)
        tx.append_event(policy.event(kind, message))

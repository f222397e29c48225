"""Whether a history is whole: each event's hash is that of what it says and of the event before it.

A changed, removed, inserted or moved event breaks the chain where it stands. Events that were cut off
at the end, and a history that was written anew from an event on, show by heads that were kept
elsewhere. One pass in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ctrain.domain.audit import BEGINNING, Head, Link
from ctrain.queries.answers import Answer

if TYPE_CHECKING:
    from ctrain.ports import Transaction

PAGE = 1000
SHORTEST_EXPECTED = 16


@dataclass(frozen=True, slots=True)
class Fault(Answer):
    """The first event that is not as it was written, or is not there."""

    event: int
    reason: str


@dataclass(frozen=True, slots=True)
class HistoryCheck(Answer):
    """What a pass over a history has found."""

    events: int
    first_event: int | None
    last_event: int | None
    head: str
    """Hash of the last event: to be kept elsewhere, and given to ``--expect`` later."""
    heads_checked: int
    """How many heads that were kept are in the history."""
    fault: Fault | None

    @property
    def intact(self) -> bool:
        return self.fault is None


def all_links(tx: Transaction, after: int = 0, until: int | None = None) -> Iterator[Link]:
    """Every event in its order, a page at a time."""
    while page := tx.links(after, PAGE, until=until):
        yield from page
        after = page[-1].number


class ChainCheck:
    """Takes the links in their order; ``fault`` is the first thing that is wrong.

    ``follows`` is the hash before the first link; with ``gaps`` the events of others may lie between two.
    """

    def __init__(
        self,
        heads: Iterable[Head] = (),
        expected: str = "",
        follows: str = BEGINNING,
        *,
        gaps: bool = False,
    ) -> None:
        self._heads = iter(heads)
        self._head = next(self._heads, None)
        self._expected, self._follows, self._gaps = expected.lower(), follows, gaps
        self._met = not expected
        self._first: Link | None = None
        self._last: Link | None = None
        self._events = self._checked = 0
        self.fault: Fault | None = None

    def take(self, link: Link) -> bool:
        """Look at the next event; False once something is wrong."""
        why = self._why_not(link)
        if why:
            self.fault = Fault(link.number, f"{link}: {why}")
            return False
        if self._first is None:
            self._first = link
        self._events += 1
        self._last = link
        self._met = self._met or link.hash.startswith(self._expected)
        return True

    def result(self) -> HistoryCheck:
        """What was found, once the last link has been taken."""
        fault = self.fault or self._fault_at_the_end()
        return HistoryCheck(
            events=self._events,
            first_event=self._first.number if self._first else None,
            last_event=self._last.number if self._last else None,
            head=self._last.hash if self._last else BEGINNING,
            heads_checked=self._checked,
            fault=fault,
        )

    def _why_not(self, link: Link) -> str:
        if self._last is not None and link.number <= self._last.number:
            return f"it stands behind event {self._last.number}: events were moved"
        before = self._last.hash if self._last is not None else self._follows
        if link.prev_hash != before and not self._gaps:
            after = (
                f"event {self._last.number}" if self._last is not None else "the beginning of this history"
            )
            return (
                f"it does not follow {after}: an event between them was removed, or one of the two was "
                "inserted, moved or written anew"
            )
        if not link.is_whole:
            return "it does not say what its hash was made of: it was changed"
        return self._why_no_head(link)

    def _why_no_head(self, link: Link) -> str:
        """Compare with the heads that were kept, up to this event."""
        while self._head is not None and self._head.number <= link.number:
            head, self._head = self._head, next(self._heads, None)
            if head.number == link.number:
                if head.hash != link.hash:
                    return f"another event stood here at {_instant(head)}: the history was written anew"
                self._checked += 1
            else:
                return f"event {head.number} stood before it at {_instant(head)}, and is gone"
        return ""

    def _fault_at_the_end(self) -> Fault | None:
        last = self._last.number if self._last else 0
        if self._head is not None:
            newest = max(chain([self._head], self._heads), key=lambda head: head.number)
            gone = f"the history ended with event {newest.number} at {_instant(newest)}"
            return Fault(last + 1, f"event {last + 1}: {gone}, now it ends with {last}: its end was cut off")
        if not self._met:
            why = f"no event has the expected hash {self._expected}"
            return Fault(
                last + 1, f"event {last + 1}: {why}: the end was cut off, or the history was written anew"
            )
        return None


def _instant(head: Head) -> str:
    return f"{head.at:%Y-%m-%d %H:%M} UTC"


def check_links(links: Iterable[Link], heads: Iterable[Head] = (), expected: str = "") -> HistoryCheck:
    """What one pass over ``links`` finds; it ends at the first fault."""
    check = ChainCheck(heads, expected)
    for link in links:
        if not check.take(link):
            break
    return check.result()

"""Troubles that come and go, on record when they begin and when they end; once, also across restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctrain.domain import Event
    from ctrain.engine.watch import Watch

TICK_FAILED, TICK_RECOVERED = "tick_failed", "tick_recovered"
POLICY_REFUSED, POLICY_ACCEPTED = "policy_refused", "policy_accepted"
RECENT_EVENTS = 50
"""Where the beginning of a trouble is looked for: little else is written while it lasts."""
LONGEST_TEXT = 500


def begin_trouble(watch: Watch, kind: str, end_kind: str, message: str) -> bool:
    """Put the beginning of a trouble on record; False when it is there, with the same message."""
    text = watch.redact(message)[:LONGEST_TEXT]
    known = _under_way(watch, kind, end_kind)
    if known is not None and known.message == text:
        return False
    _tell(watch, kind, text)
    return True


def end_trouble(watch: Watch, kind: str, end_kind: str, message: str) -> bool:
    """Put the end of a trouble on record; False when none is under way."""
    if _under_way(watch, kind, end_kind) is None:
        return False
    _tell(watch, end_kind, message)
    return True


def trouble(events: Iterable[Event], kind: str, end_kind: str) -> Event | None:
    """Return the event that a trouble which is under way began with; ``events`` are newest first."""
    newest = next((event for event in events if event.kind in {kind, end_kind}), None)
    return newest if newest is not None and newest.kind == kind else None


def _under_way(watch: Watch, kind: str, end_kind: str) -> Event | None:
    with watch.store.read() as tx:
        return trouble(tx.events(watch.name, limit=RECENT_EVENTS), kind, end_kind)


def _tell(watch: Watch, kind: str, message: str) -> None:
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.append_event(watch.event(kind, message))

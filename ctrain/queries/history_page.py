"""The audited history as people read it: newest first, a page at a time, narrowed to a matter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Phase, PolicyName, RunId
from ctrain.domain.audit import UNREADABLE
from ctrain.queries.answers import Answer
from ctrain.queries.audit_champion import CHANGES

if TYPE_CHECKING:
    from ctrain.domain.audit import Link
    from ctrain.ports import Transaction

PAGE = 100
MATTERS: dict[str, tuple[str, ...]] = {
    "runs": tuple(f"run_{phase.value.lower()}" for phase in Phase),
    "champion": CHANGES,
    "people": (
        "trigger_answered",
        "cancel_answered",
        "rollback_answered",
        "approve_answered",
        "reject_answered",
        "paused",
        "resumed",
    ),
    "data": ("source_note", "file_rejected", "values_unread", "reference_made"),
    "policy": ("policy_refused", "policy_accepted", "policy_changed", "policy_removed"),
    "trouble": (
        "registry_unreadable",
        "registry_readable",
        "tick_failed",
        "tick_recovered",
        "run_failed",
        "run_rollback_failed",
    ),
}
"""What the history can be narrowed to, and the kinds of events that belong to it."""


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """One event; ``at`` is None where what stands there cannot be read."""

    number: int
    hash: str
    at: datetime | None
    policy: str
    kind: str
    actor: str
    message: str
    run: RunId | None


@dataclass(frozen=True, slots=True)
class HistoryPage(Answer):
    """Events, newest first; ``older`` is where the next page begins, None on the last."""

    events: tuple[Told, ...]
    older: int | None


def history_page(
    tx: Transaction,
    before: int | None = None,
    *,
    policy: PolicyName | None = None,
    run_id: RunId | None = None,
    matter: str = "",
    limit: int = PAGE,
) -> HistoryPage:
    """A page of events with a number below ``before``; an unknown ``matter`` narrows nothing."""
    kinds = MATTERS.get(matter, ())
    links = tx.newest_links(limit + 1, before=before, policy=policy, run_id=run_id, kinds=kinds)
    shown = links[:limit]
    return HistoryPage(tuple(map(_told, shown)), shown[-1].number if len(links) > limit else None)


def _told(link: Link) -> Told:
    content = link.content
    if UNREADABLE in content:
        return Told(link.number, link.hash, None, "", "unreadable", "", str(content[UNREADABLE]), None)
    return Told(
        number=link.number,
        hash=link.hash,
        at=datetime.fromisoformat(content["at"]),
        policy=content["policy"],
        kind=content["kind"],
        actor=content["actor"],
        message=content["message"],
        run=RunId(content["run_id"]) if content["run_id"] else None,
    )

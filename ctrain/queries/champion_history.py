"""Which versions were champion, from when to when, and who made them so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import PolicyName, RunId, Version
from ctrain.queries.answers import Answer
from ctrain.queries.audit_champion import CHANGES, version_after

if TYPE_CHECKING:
    from ctrain.domain.audit import Link
    from ctrain.ports import Transaction

MOST_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Reign(Answer):
    """A version as the champion; ``until_at`` is None while it is, ``version`` while there was none."""

    version: Version | None
    since_at: datetime
    until_at: datetime | None
    how: str
    """``promoted``, ``rolled back``, ``found``, ``changed outside``."""
    why: str
    by: str
    run: RunId | None
    event: int


_HOW = {
    "promoted": "promoted",
    "run_rolled_back": "rolled back",
    "rolled_back": "rolled back",
    "champion_found": "found",
    "champion_changed_outside": "changed outside",
}


def reigns(tx: Transaction, policy: PolicyName, most: int = MOST_CHANGES) -> tuple[Reign, ...]:
    """The newest first, as the audited history tells it."""
    links = tx.newest_links(most, policy=policy, kinds=CHANGES)
    ends = [None, *(_at(one) for one in links)]
    return tuple(_reign(one, end) for one, end in zip(links, ends, strict=False))


def _reign(link: Link, until: datetime | None) -> Reign:
    content = link.content
    run = content.get("run_id")
    return Reign(
        version=version_after(link),
        since_at=_at(link),
        until_at=until,
        how=_HOW[content["kind"]],
        why=content["message"],
        by=content["actor"],
        run=RunId(run) if run else None,
        event=link.number,
    )


def _at(link: Link) -> datetime:
    return datetime.fromisoformat(link.content["at"])


def previous_version(found: Sequence[Reign]) -> Version | None:
    """The newest version that was champion before the present one, as far as the history tells."""
    now = found[0].version if found else None
    return next((one.version for one in found if one.version not in (None, now)), None)

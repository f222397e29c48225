"""Which versions were champion, from when to when, and who made them so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import PolicyName, RunId, Version
from ctrain.errors import InputError
from ctrain.queries.answers import Answer
from ctrain.queries.audit_champion import CHANGES, version_after

if TYPE_CHECKING:
    from ctrain.domain.audit import Link
    from ctrain.ports import Transaction

MOST_CHANGES = 200
_NEWEST = 2**63 - 1
"""The highest number that the database knows."""


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


def reigns(
    tx: Transaction, policy: PolicyName, most: int = MOST_CHANGES, before: int | None = None
) -> tuple[Reign, ...]:
    """The newest first, as the audited history tells it; ``before``: only those that its event ended.

    That is the reign that the event with the number ``before`` ended, and all before it. Raises InputError
    when that event ended none.
    """
    if before is None:
        return _reigns(tx.newest_links(most, policy=policy, kinds=CHANGES))
    ending = tx.newest_links(1, policy=policy, kinds=CHANGES, before=min(before + 1, _NEWEST))
    if [one.number for one in ending] != [before]:
        raise InputError(f"event {before} did not change the champion of {policy}")
    links = tx.newest_links(most, policy=policy, kinds=CHANGES, before=before)
    return _reigns([*ending, *links])[1:]


def _reigns(links: Sequence[Link]) -> tuple[Reign, ...]:
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

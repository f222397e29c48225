"""Who may do what over HTTP: roles, tokens, and answers that are given again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a caller may do.

    A viewer reads, an operator acts as well, an approver also decides on promotions. A writer sends rows
    and labels, and may do nothing else.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    WRITER = "writer"

    def includes(self, needed: Role) -> bool:
        """True when whoever has this role may do what ``needed`` is for.

        >>> Role.APPROVER.includes(Role.VIEWER), Role.WRITER.includes(Role.VIEWER)
        (True, False)
        """
        return needed in _INCLUDED[self]


_INCLUDED = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR, Role.WRITER}),
    Role.APPROVER: frozenset({Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.WRITER}),
    Role.WRITER: frozenset({Role.WRITER}),
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: by the digest of its words, never by the words."""

    id: str
    """The part of the words that is no secret."""
    name: str
    role: Role
    digest: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """True unless it was revoked or has run out."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a call with an idempotency key, for the next call with the same one."""

    caller: str
    key: str
    fingerprint: str
    """Of what was asked: the same key with another one is a mistake."""
    request_id: int
    kept_at: datetime

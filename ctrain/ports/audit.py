"""What the store tells of its audited history, as it lies there."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ctrain.domain import PolicyName, RunId
from ctrain.domain.audit import Link


class AuditTables(Protocol):
    def links(
        self,
        after: int = 0,
        limit: int = 1000,
        *,
        policy: PolicyName | None = None,
        run_id: RunId | None = None,
        kinds: tuple[str, ...] = (),
        until: int | None = None,
    ) -> list[Link]:
        """Events after number ``after``, oldest first; ``until`` is the last number that is wanted."""

    def newest_link(self) -> Link | None: ...

    def newest_links(
        self,
        limit: int,
        *,
        before: int | None = None,
        policy: PolicyName | None = None,
        run_id: RunId | None = None,
        kinds: tuple[str, ...] = (),
    ) -> list[Link]:
        """Events with a number below ``before``, newest first."""

    def newest_numbers(self) -> tuple[int, ...]:
        """Of the newest event, look at a comparison, decision and request: another whenever one comes."""

    def policies_since(self, numbers: tuple[int, ...]) -> frozenset[PolicyName]:
        """What is newer than ``newest_numbers`` were then is about these policies."""

    def count_links(self, after: int = 0) -> int: ...

    def links_between(self, start: datetime | None, end: datetime | None) -> tuple[int, int] | None:
        """Numbers of the first event at or after ``start`` and of the last one before ``end``."""

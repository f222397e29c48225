"""What the store keeps of batches that were pushed, and of reloads that were asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from ctrain.domain import PolicyName
from ctrain.domain.pushes import PushedBatch, PushKind, Reload, ReloadOutcome


class PushTables(Protocol):
    def pushed_batch(self, policy: PolicyName, kind: PushKind, batch: str) -> PushedBatch | None:
        """A batch that was read, by its sender's id; None when none is remembered."""

    def remember_batches(self, policy: PolicyName, kind: PushKind, batches: Collection[PushedBatch]) -> None:
        """Keep them; those that are known already stay as they are."""

    def forget_batches(self, policy: PolicyName, kind: PushKind, before: datetime, limit: int) -> int:
        """Drop up to so many that were received before; return how many."""


class ReloadTables(Protocol):
    def ask_reload(self, actor: str, at: datetime) -> int:
        """Put on record that all policy files are to be read; return its number."""

    def newest_reload(self) -> Reload | None: ...

    def save_reload_outcome(self, number: int, outcome: ReloadOutcome) -> None: ...

    def reload_outcomes(self, number: int) -> Sequence[ReloadOutcome]:
        """What each daemon that has done it by now says, by their names."""

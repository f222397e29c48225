"""What the store keeps of those who call over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ctrain.domain.access import KeptAnswer, Token


class AccessTables(Protocol):
    def add_token(self, token: Token) -> None:
        """Raises StateConflict when a token of this name or id was ever made."""

    def token(self, token_id: str) -> Token | None: ...

    def tokens(self) -> list[Token]:
        """All that were ever made, by name."""

    def revoke_token(self, name: str, now: datetime) -> bool:
        """True when there is one of this name; one that is revoked already stays as it is."""

    def note_token_use(self, token_id: str, now: datetime) -> None: ...

    def kept_answer(self, caller: str, key: str) -> KeptAnswer | None: ...

    def keep_answer(self, answer: KeptAnswer) -> None:
        """Raises StateConflict when one is kept for this caller and key."""

    def forget_answers(self, before: datetime) -> int:
        """Drop those that were kept before; return how many."""

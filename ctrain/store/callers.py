"""Tokens of callers over HTTP, and the answers that are kept for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select

from ctrain.domain.access import KeptAnswer, Role, Token
from ctrain.store import schema
from ctrain.store.access import Row, TableAccess, values_of
from ctrain.store.faults import duplicate_means
from ctrain.store.prepared import Prepared

_TOKENS = schema.tokens
_ANSWERS = schema.kept_answers
_TOKEN = Prepared(select(_TOKENS).where(_TOKENS.c.id == bindparam("token_id")))


class CallerAccess(TableAccess):
    """Implements ``ports.AccessTables``."""

    def add_token(self, token: Token) -> None:
        """Keep the token.

        Raises
        ------
        StateConflict
            when one of this name was ever made.
        """
        taken = f"there has been a token {token.name} already: give the new one another name"
        with duplicate_means(taken), self._attempt():
            self._insert(_TOKENS, {**values_of(token), "role": token.role.value})

    def token(self, token_id: str) -> Token | None:
        """The token, or None when there is none of this id."""
        row = self._first(_TOKEN, token_id=token_id)
        return None if row is None else _token(row)

    def tokens(self) -> list[Token]:
        """All that were ever made, by name."""
        return [_token(row) for row in self._all(select(_TOKENS).order_by(_TOKENS.c.name))]

    def revoke_token(self, name: str, now: datetime) -> bool:
        """Revoke it unless it is; True when there is one of this name."""
        living = _TOKENS.update().where(_TOKENS.c.name == name, _TOKENS.c.revoked_at.is_(None))
        self._changed(living.values(revoked_at=now))
        return self._first(select(_TOKENS.c.id).where(_TOKENS.c.name == name)) is not None

    def note_token_use(self, token_id: str, now: datetime) -> None:
        """Note when it was used last."""
        self._changed(_TOKENS.update().where(_TOKENS.c.id == token_id).values(last_used_at=now))

    def kept_answer(self, caller: str, key: str) -> KeptAnswer | None:
        """What was answered to the caller's call with this key, if that is still known."""
        row = self._first(select(_ANSWERS).where(_ANSWERS.c.caller == caller, _ANSWERS.c.key == key))
        return None if row is None else KeptAnswer(**row)

    def keep_answer(self, answer: KeptAnswer) -> None:
        """Keep it for the next call with its key.

        Raises
        ------
        StateConflict
            when one is kept already.
        """
        with duplicate_means(f"a call with the key {answer.key} was answered already"), self._attempt():
            self._insert(_ANSWERS, values_of(answer))

    def forget_answers(self, before: datetime) -> int:
        """Drop what was kept before; return how many answers that were."""
        return self._changed(_ANSWERS.delete().where(_ANSWERS.c.kept_at < before))


def _token(row: Row) -> Token:
    return Token(**{**row, "role": Role(row["role"])})

"""Tokens: words of 32 random bytes that a caller shows, of which only a digest is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from ctrain.domain.access import Role, Token
from ctrain.errors import InputError

PREFIX = "ctrain"
_WORDS = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", re.ASCII)


def make_token(
    name: str, role: Role, created_by: str, now: datetime, expires_at: datetime | None = None
) -> tuple[str, Token]:
    """The words of a new token, which are told once, and what is kept of it.

    Raises
    ------
    InputError
        when the name cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"token name {name!r}: expected 1 to 63 letters, digits and . _ @ -, such as nightly-pipeline"
        )
    token_id = secrets.token_hex(6)
    words = f"{PREFIX}_{token_id}_{secrets.token_urlsafe(32)}"
    return words, Token(token_id, name, role, digest_of(words), now, created_by, expires_at)


def token_id_of(words: str) -> str | None:
    """The part by which a token is found; None when these are not the words of a token."""
    match = _WORDS.fullmatch(words)
    return match[1] if match else None


def digest_of(words: str) -> str:
    """What is kept instead of the words.

    They hold 256 random bits: one round of SHA-256 is enough, as there is nothing to guess.
    """
    return hashlib.sha256(words.encode()).hexdigest()


def matches(words: str, token: Token | None) -> bool:
    """True when these are the token's words; takes as long when they are not, or there is no token."""
    kept = token.digest if token is not None else digest_of("")
    return hmac.compare_digest(digest_of(words), kept) and token is not None

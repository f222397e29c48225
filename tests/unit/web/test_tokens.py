"""Tokens: what is told once, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ctrain.domain.access import Role
from ctrain.errors import InputError
from ctrain.web.tokens import make_token, matches, token_id_of

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def test_only_a_digest_is_kept() -> None:
    words, token = make_token("nightly", Role.OPERATOR, "ann", NOW)
    secret = words.rpartition(f"{token.id}_")[2]
    assert len(secret) == 43
    assert secret not in repr(token)
    assert token_id_of(words) == token.id
    assert matches(words, token)


def test_no_two_tokens_are_alike() -> None:
    made = [make_token("nightly", Role.VIEWER, "ann", NOW) for _ in range(50)]
    assert len({words for words, _ in made}) == len({token.id for _, token in made}) == 50


def test_other_words_do_not_match() -> None:
    words, token = make_token("nightly", Role.VIEWER, "ann", NOW)
    other = words[:-1] + ("A" if words[-1] != "A" else "B")
    assert not matches(other, token)
    assert not matches(words, None)
    assert not matches("", None)


@pytest.mark.parametrize("words", ["", "ctrain", "ctrain_0a1b2c3d4e5f_short", "x" * 4000, "ctrain_ü"])
def test_what_is_no_token_has_no_id(words: str) -> None:
    assert token_id_of(words) is None


@pytest.mark.parametrize("name", ["", "a b", "-x", "a" * 64, "a\n", "ü"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="token name"):
        make_token(name, Role.VIEWER, "ann", NOW)

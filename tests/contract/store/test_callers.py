"""Tokens and kept answers of callers over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from ctrain.domain.access import KeptAnswer, Role, Token
from ctrain.errors import CtrainError, StateConflict
from ctrain.store import SqlStore
from tests.contract.store.builders import HOUR, START

TOKEN = Token("0a1b2c3d", "pipeline", Role.OPERATOR, "d" * 64, START, "ann", expires_at=START + HOUR)


def test_a_token_comes_back_whole(store: SqlStore) -> None:
    with store.write() as tx:
        tx.add_token(TOKEN)
        assert tx.token("ffffffff") is None
    with store.read() as tx:
        assert tx.token(TOKEN.id) == TOKEN
        assert tx.tokens() == [TOKEN]


@pytest.mark.parametrize("role", Role)
def test_every_role_can_be_kept(store: SqlStore, role: Role) -> None:
    with store.write() as tx:
        tx.add_token(replace(TOKEN, role=role))
    with store.read() as tx:
        assert [one.role for one in tx.tokens()] == [role]


def test_a_name_is_never_given_twice(store: SqlStore) -> None:
    with store.write() as tx:
        tx.add_token(TOKEN)
        tx.revoke_token(TOKEN.name, START)
        with pytest.raises(StateConflict, match="there has been a token pipeline already"):
            tx.add_token(replace(TOKEN, id="other"))
    with store.read() as tx:
        assert [one.id for one in tx.tokens()] == [TOKEN.id]


def test_an_unknown_role_is_refused_by_the_database(store: SqlStore) -> None:
    class Unknown:
        value = "root"

    with pytest.raises((CtrainError, IntegrityError)), store.write() as tx:
        tx.add_token(replace(TOKEN, role=Unknown()))  # type: ignore[arg-type]  # on purpose


def test_a_token_is_revoked_once(store: SqlStore) -> None:
    with store.write() as tx:
        tx.add_token(TOKEN)
        assert not tx.revoke_token("nobody", START)
        assert tx.revoke_token(TOKEN.name, START)
        assert tx.revoke_token(TOKEN.name, START + HOUR)
        assert tx.token(TOKEN.id) == replace(TOKEN, revoked_at=START)


def test_the_last_use_is_noted(store: SqlStore) -> None:
    with store.write() as tx:
        tx.add_token(TOKEN)
        tx.note_token_use(TOKEN.id, START + HOUR)
        assert tx.token(TOKEN.id) == replace(TOKEN, last_used_at=START + HOUR)


@pytest.mark.parametrize(
    ("change", "at", "valid"),
    [
        ({}, START, True),
        ({}, START + HOUR, False),
        ({"expires_at": None}, START + 100 * HOUR, True),
        ({"revoked_at": START}, START, False),
    ],
)
def test_a_token_is_valid_until_it_ends(change: dict, at: object, valid: bool) -> None:
    assert replace(TOKEN, **change).valid(at) is valid  # type: ignore[arg-type]  # an instant


def test_an_answer_is_kept_once_for_a_caller_and_a_key(store: SqlStore) -> None:
    kept = KeptAnswer("token pipeline", "k1", "f" * 64, 7, START)
    with store.write() as tx:
        assert tx.kept_answer(kept.caller, kept.key) is None
        tx.keep_answer(kept)
        tx.keep_answer(replace(kept, caller="token other"))
        with pytest.raises(StateConflict, match="answered already"):
            tx.keep_answer(replace(kept, request_id=8))
    with store.read() as tx:
        assert tx.kept_answer(kept.caller, kept.key) == kept


def test_old_answers_are_forgotten(store: SqlStore) -> None:
    kept = KeptAnswer("token pipeline", "k1", "f" * 64, 7, START)
    with store.write() as tx:
        tx.keep_answer(kept)
        tx.keep_answer(replace(kept, key="k2", kept_at=START + HOUR))
        assert tx.forget_answers(START + HOUR) == 1
        assert tx.kept_answer(kept.caller, "k1") is None
        assert tx.kept_answer(kept.caller, "k2") is not None

"""What PostgreSQL refuses, by the codes of its manual (Appendix A, PostgreSQL Error Codes)."""

from __future__ import annotations

import psycopg
import pytest

from ctrain.errors import CtrainError, IllegalTransition, PermanentError, StateConflict, TransientError
from ctrain.store.faults import DuplicateRow
from ctrain.store.postgres_faults import fault


class OwnState(psycopg.DatabaseError):
    """What a guard of ctrain raises."""


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        ("40001", TransientError, "another transaction changed the same rows"),
        ("40P01", TransientError, "waited for each other"),
        ("55P03", TransientError, "locked by another process"),
        ("57014", TransientError, "took too long"),
        ("57P01", TransientError, "connection to the database is lost"),
        ("57P02", TransientError, "connection to the database is lost"),
        ("57P03", TransientError, "starting or stopping"),
        ("08006", TransientError, "connection to the database is lost"),
        ("25P03", TransientError, "paused for too long"),
        ("53100", TransientError, "disk of the database is full"),
        ("53200", TransientError, "no memory left"),
        ("53300", TransientError, "no connection left"),
        ("53400", TransientError, "too little of something"),
        ("58030", TransientError, "I/O error"),
        ("23505", DuplicateRow, "such a row exists already"),
        ("25006", PermanentError, "writing is refused"),
        ("42501", PermanentError, "may not do this"),
        ("28P01", PermanentError, "refuses this user or password"),
        ("3D000", PermanentError, "create it first"),
        ("XX001", PermanentError, "is damaged"),
    ],
)
def test_codes_that_mean_something(state: str, kind: type[CtrainError], said: str) -> None:
    found = fault(psycopg.errors.lookup(state)("what the server says"))
    assert type(found) is kind
    assert said in str(found)
    assert "what the server says" in str(found)


@pytest.mark.parametrize(("state", "kind"), [("CT001", IllegalTransition), ("CT002", StateConflict)])
def test_codes_of_our_guards(state: str, kind: type[CtrainError]) -> None:
    OwnState.sqlstate = state
    assert type(fault(OwnState("refused"))) is kind


@pytest.mark.parametrize("state", ["42P01", "42601", "22003", "23503", "23514", "23502"])
def test_mistakes_of_ours_stay_what_they_are(state: str) -> None:
    assert fault(psycopg.errors.lookup(state)("a mistake")) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "ctrain"', PermanentError),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', PermanentError),
        ('FATAL:  database "x" does not exist', PermanentError),
        ("connection refused", TransientError),
        ("consuming input failed: server closed the connection unexpectedly", TransientError),
        ("the connection is closed", TransientError),
    ],
)
def test_connections_that_fail_have_only_a_text(text: str, kind: type[CtrainError]) -> None:
    assert type(fault(psycopg.OperationalError(text))) is kind


def test_a_standby_may_take_over() -> None:
    error = psycopg.errors.lookup("25006")("cannot execute INSERT during recovery")
    assert type(fault(error)) is TransientError


def test_what_the_driver_refuses_is_a_mistake_of_ours() -> None:
    assert fault(psycopg.ProgrammingError("the query has 2 placeholders, not 1")) is None

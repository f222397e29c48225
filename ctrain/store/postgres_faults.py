"""What PostgreSQL refuses, as exceptions of ctrain; by SQLSTATE, of which messages may be translated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.errors import CtrainError, IllegalTransition, PermanentError, StateConflict, TransientError
from ctrain.store.faults import DuplicateRow

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.engine import ExceptionContext

UNIQUE = "23505"
ILLEGAL_PHASE_STATE = "CT001"
APPEND_ONLY_STATE = "CT002"
LOST = "the connection to the database is lost"
READ_ONLY_STATE = "25006"

_TRANSIENT = {
    "40001": "another transaction changed the same rows",
    "40P01": "two transactions waited for each other",
    "55P03": "the database is locked by another process",
    "57014": "the database took too long",
    "57P01": LOST,
    "57P02": LOST,
    "57P03": "the database is starting or stopping",
    "57P05": LOST,
    "25P03": "the transaction paused for too long, and the database ended it",
    "08": LOST,
    "53100": "the disk of the database is full",
    "53200": "there is no memory left for the database",
    "53300": "the database has no connection left",
    "53": "the database has too little of something",
    "58": "the disk of the database gave an I/O error",
}
"""By SQLSTATE, or by its class of two letters."""
_PERMANENT = {
    READ_ONLY_STATE: "writing is refused: a read transaction, or a database that is read-only",
    "42501": "the user of the database may not do this",
    "28": "the database refuses this user or password",
    "3D": "there is no such database; create it first",
    "3F": "there is no such schema in the database",
    "XX": "the database is damaged; restore it from a backup",
}
_GONE = {"57P01", "57P02", "57P03", "57P05", "25P03"}
"""After these the server closes the connection."""
_REFUSED_AT_THE_DOOR = (
    ("authentication failed", "28"),
    ("no password supplied", "28"),
    ("no pg_hba.conf entry", "28"),
    ("permission denied for database", "28"),
    ("does not exist", "3D"),
)
"""A connection that is refused has no SQLSTATE, only a text of the server."""


def translate(context: ExceptionContext) -> BaseException | None:
    """The exception to raise in the place of the driver's; None leaves that one."""
    import psycopg

    original = context.original_exception
    if not isinstance(original, psycopg.Error):
        return None
    state = original.sqlstate or ""
    if state in _GONE or state.startswith("08"):
        context.is_disconnect = True
    return fault(original)


def fault(error: psycopg.Error) -> CtrainError | None:
    """What the driver's error means; None when it means a mistake of ours."""
    state, text = error.sqlstate or "", _said(error)
    if state == UNIQUE:
        return DuplicateRow(f"such a row exists already: {text}")
    if state == ILLEGAL_PHASE_STATE:
        return IllegalTransition(text)
    if state == APPEND_ONLY_STATE:
        return StateConflict(text)
    if not state:
        return _without_state(error, text)
    if state == READ_ONLY_STATE and "recovery" in text:
        return TransientError(f"the database is a standby that has not taken over ({text})")
    for known, kind in ((_TRANSIENT, TransientError), (_PERMANENT, PermanentError)):
        meaning = known.get(state) or known.get(state[:2])
        if meaning is not None:
            return kind(f"{meaning} ({text})")
    return None


def _without_state(error: psycopg.Error, text: str) -> CtrainError | None:
    import psycopg

    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    for part, state in _REFUSED_AT_THE_DOOR:
        if part in text:
            return PermanentError(f"{_PERMANENT[state]} ({text})")
    return TransientError(f"{LOST} ({text})")


def _said(error: psycopg.Error) -> str:
    """The server's own sentence, or the driver's, on one line; neither holds a password."""
    return " ".join((error.diag.message_primary or str(error)).split())

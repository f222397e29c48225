"""Prepared statements say what SQLAlchemy says of the same ones, on every database."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select

from ctrain.domain import IngestState, PolicyName, Segment, SegmentKind
from ctrain.errors import PermanentError, StateConflict
from ctrain.store import SqlStore, schema
from ctrain.store.ingest import _STATE_OF
from ctrain.store.observations import _PANE_ROWS

CLICKS, OTHER = PolicyName("clicks"), PolicyName('100% of "it" :policy')
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATE = IngestState(
    rows_cursor={"$": None, "files": [1, 2.5, math.nan, "é%s:x"]},
    sequence=7,
    watermark=NOON,
    rejected_total={"a": 1},
)


def heard(store: SqlStore) -> list[str]:
    """What is asked from now on, by whoever listens: every statement goes through SQLAlchemy then."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    return statements


@pytest.mark.parametrize("policy", [CLICKS, OTHER])
def test_what_is_written_comes_back_whoever_listens(store: SqlStore, policy: PolicyName) -> None:
    with store.write() as tx:
        tx.save_ingest_state(policy, STATE)
        tx.save_panes(policy, [("grid", NOON, level, bytes([0, 255, level]), level) for level in range(3)])
    with store.read() as tx:
        quiet = tx.ingest_state(policy), tx.panes(policy, "grid", NOON, NOON.replace(hour=13), level=2)
    statements = heard(store)
    with store.read() as tx:
        loud = tx.ingest_state(policy), tx.panes(policy, "grid", NOON, NOON.replace(hour=13), level=2)
    assert repr(quiet) == repr(loud) == repr((STATE, {NOON: bytes([0, 255, 2])}))
    assert sum("ingest_states" in one for one in statements) == 1


def test_rows_have_the_names_and_values_that_sqlalchemy_gives(store: SqlStore) -> None:
    with store.write() as tx:
        tx.save_ingest_state(CLICKS, STATE)
        connection = tx._connection
        query = select(*(one for one in schema.ingest_states.c if one.name != "policy"))
        (expected,) = connection.execute(query.where(schema.ingest_states.c.policy == CLICKS)).mappings()
        (found,) = _STATE_OF.rows(connection, {"policy": CLICKS})
        assert repr(found) == repr(dict(expected))
        none = _PANE_ROWS.rows(
            connection, {"policy": CLICKS, "grid": "", "level": 0, "first": NOON, "end": NOON}
        )
        assert none == []


def test_what_the_database_refuses_is_told_as_ever(store: SqlStore) -> None:
    segment = Segment("1", CLICKS, SegmentKind.ROWS, "2026-01-01", "path", 1, 1, 1, None)
    with store.write() as tx:
        tx.add_segments([segment])
    with pytest.raises(StateConflict, match="exists already"), store.write() as tx:
        tx.add_segments([segment])
    with pytest.raises(PermanentError), store.read() as tx:
        tx.save_ingest_state(CLICKS, STATE)
    with store.read() as tx:
        assert tx.segments(CLICKS) == [segment]
        assert tx.ingest_state(CLICKS) == IngestState()


def test_a_value_that_is_missing_is_an_error(store: SqlStore) -> None:
    with store.read() as tx, pytest.raises(KeyError, match="policy"):
        _STATE_OF.rows(tx._connection, {})

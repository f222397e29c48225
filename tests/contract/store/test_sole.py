"""A store that one thread uses alone: the same answers, over one connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.errors import PermanentError, StateConflict
from ctrain.store import SqlStore
from tests.contract.store.builders import FLIGHTS, START, Backend, run


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    """A file: what is thrown away with its process is on no server."""
    return Backend(f"sqlite:///{tmp_path / 'home' / 'state.db'}")


@pytest.fixture
def sole(filled: Backend) -> Iterator[SqlStore]:
    store = filled.open(durable=False)
    yield store
    store.close()


def test_what_was_committed_is_there_for_others_and_after_closing(sole: SqlStore, backend: Backend) -> None:
    with sole.write() as tx:
        tx.create_run(run())
        with sole.read() as inside:
            assert inside.active_run(FLIGHTS) == run()
    other = backend.open(create=False)
    for store in (sole, other):
        with store.read() as tx:
            assert tx.active_run(FLIGHTS) == run()
    other.close()
    sole.close()
    with sole.read() as tx:
        assert tx.active_run(FLIGHTS) == run()


def test_what_failed_leaves_nothing(sole: SqlStore) -> None:
    def fail() -> None:
        with sole.write() as tx:
            tx.create_run(run(1))
            tx.create_run(run(2))

    with pytest.raises(StateConflict, match="another run is active"):
        fail()
    with sole.write() as tx:
        assert tx.runs(FLIGHTS) == []
        tx.create_run(run(3))
    with sole.read() as tx:
        assert [one.id for one in tx.runs(FLIGHTS)] == ["run-3"]


def test_a_view_cannot_write(sole: SqlStore) -> None:
    with sole.read() as tx, pytest.raises(PermanentError, match="writing is refused"):
        tx.save_policy(FLIGHTS, "h1", "/policies/a.yaml", {}, START)
    with sole.write() as tx:
        tx.save_policy(FLIGHTS, "h1", "/policies/a.yaml", {}, START)


def test_a_write_inside_a_write_is_refused_and_the_outer_one_goes_on(sole: SqlStore) -> None:
    with sole.write() as tx:
        tx.create_run(run())
        with pytest.raises(PermanentError, match="within a transaction"), sole.write():
            pytest.fail("two transactions at once")
        assert tx.active_run(FLIGHTS) == run()
    with sole.read() as tx:
        assert tx.active_run(FLIGHTS) == run()

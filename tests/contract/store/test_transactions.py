"""All or nothing, one writer at a time, readers that cannot write; also across processes and kills."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import IO

import pytest

from ctrain.domain import IngestState
from ctrain.errors import PermanentError, StateConflict, TransientError
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import SqlStore, SqlTransaction
from tests.contract.store.builders import FLIGHTS, START, Backend, event, intent, run, verdict

ROOT = Path(__file__).parents[3]


class Child:
    """Another process at the same store."""

    def __init__(self, verb: str, url: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.store.child", verb, url, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.expect("ready")

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def expect(self, word: str) -> None:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        assert out.readline().strip() == word

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_exception_rolls_everything_back(store: SqlStore) -> None:
    with pytest.raises(KeyError, match="outside"):
        _write_and_fail(store)
    with store.read() as tx:
        assert tx.ingest_state(FLIGHTS) == IngestState()
        assert tx.runs() == []


def _write_and_fail(store: SqlStore) -> None:
    with store.write() as tx:
        tx.save_ingest_state(FLIGHTS, IngestState(rows_total=5))
        tx.create_run(run())
        raise KeyError("outside")


def test_conflict_inside_leaves_the_transaction_usable(store: SqlStore) -> None:
    with store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", verdict())
        with pytest.raises(StateConflict):
            tx.record_verdict(FLIGHTS, "h1", verdict(n=1))
        tx.record_verdict(FLIGHTS, "h1", verdict("other"))
    with store.read() as tx:
        assert len(tx.latest_verdicts(FLIGHTS)) == 2


def test_threads_lose_no_increment(store: SqlStore) -> None:
    threads, times = 4, 100
    start = Barrier(threads)

    def increment() -> None:
        start.wait()
        for _ in range(times):
            with store.write() as tx:
                state = tx.ingest_state(FLIGHTS)
                tx.save_ingest_state(FLIGHTS, replace(state, rows_total=state.rows_total + 1))

    workers = [Thread(target=increment) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert _rows_total(store) == threads * times


def test_processes_that_open_a_fresh_store_at_once_lose_no_increment(backend: Backend) -> None:
    times = 60
    with ExitStack() as stack:
        children = [stack.enter_context(Child("increment", backend.url, str(times))) for _ in range(3)]
        for child in children:
            child.begin()
        for child in children:
            child.expect("done")
    store = backend.open(create=False)
    assert _rows_total(store) == 3 * times
    store.close()


def test_kill_in_the_middle_leaves_nothing(store: SqlStore, backend: Backend) -> None:
    with store.write() as tx:
        tx.save_ingest_state(FLIGHTS, IngestState(rows_total=7))
    with Child("stop", backend.url) as child:
        child.begin()
        child.expect("written")
        assert _rows_total(store) == 7, "what is not committed is not seen"
        child.process.kill()
        child.process.wait()
        assert _rows_total(store) == 7
        with store.write() as tx:
            assert tx.runs() == []
            assert tx.events() == []
            tx.create_run(run())


def _rows_total(store: SqlStore) -> int:
    with store.read() as tx:
        return tx.ingest_state(FLIGHTS).rows_total


def test_second_writer_gives_up_with_a_transient_error(store: SqlStore, backend: Backend) -> None:
    impatient = backend.open(busy_timeout=timedelta(milliseconds=20))
    with store.write() as tx:
        tx.create_run(run())
        with pytest.raises(TransientError, match="locked"), impatient.write():
            pytest.fail("two writers at once")
    with impatient.write() as tx:
        assert len(tx.runs()) == 1
    impatient.close()


def test_reader_sees_one_snapshot_and_does_not_wait(store: SqlStore, backend: Backend) -> None:
    other = backend.open()
    with other.read() as reader:
        assert reader.runs() == []
        with store.write() as tx:
            tx.create_run(run())
        assert reader.runs() == []
    with other.read() as reader:
        assert len(reader.runs()) == 1
    other.close()


def _writes(tx: SqlTransaction) -> Iterator[object]:
    yield lambda: tx.create_run(run(2))
    yield lambda: tx.save_ingest_state(FLIGHTS, IngestState(rows_total=1))
    yield lambda: tx.close_intent("intent-1", "done")
    yield lambda: tx.drop_panes(FLIGHTS, START)
    yield lambda: tx.claim_occurrence(FLIGHTS, run().trigger, START)
    yield lambda: tx.acquire_lease("daemon", "a", START, timedelta(hours=1))


@pytest.mark.parametrize("number", range(6))
def test_read_transaction_refuses_writes(store: SqlStore, number: int) -> None:
    with store.write() as tx:
        tx.record_intent(intent())
    with store.read() as tx, pytest.raises(PermanentError, match="writing is refused"):
        list(_writes(tx))[number]()  # type: ignore[operator] # yields functions
    with store.write() as tx:
        tx.save_ingest_state(FLIGHTS, IngestState(rows_total=3))
    with store.read() as tx:
        assert tx.runs() == []
        assert tx.open_intent(FLIGHTS) == intent()


def test_events_are_chained_over_connections(store: SqlStore, backend: Backend) -> None:
    other = backend.open()
    for number in range(4):
        with (store, other)[number % 2].write() as tx:
            tx.append_event(event(f"event {number}", evidence={"number": number}))
            tx.append_event(event("of another policy", policy="other", run_id=None))
    with store.read() as tx:
        assert check_links(all_links(tx)).intact
        assert [found.message for found in tx.events(FLIGHTS)] == [f"event {n}" for n in (3, 2, 1, 0)]
        assert tx.events(FLIGHTS, limit=1) == [event("event 3", evidence={"number": 3})]
        assert len(tx.events(run_id=run().id)) == 4
        assert len(tx.events()) == 8
    other.close()

"""What another process does to the store: ``python -m tests.contract.store.child VERB URL [N]``.

It says ``ready`` and acts once it reads a line, so that processes meet where the test wants it.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from ctrain.store import SqlStore, open_store
from tests.contract.store.builders import FLIGHTS, event, run


def increment(store: SqlStore, times: int) -> None:
    """Read the row count and write it plus one, each in one transaction."""
    for _ in range(times):
        with store.write() as tx:
            state = tx.ingest_state(FLIGHTS)
            tx.save_ingest_state(FLIGHTS, replace(state, rows_total=state.rows_total + 1))


def stop_in_the_middle(store: SqlStore) -> None:
    """Change several tables and wait, inside the transaction, for a kill that comes."""
    with store.write() as tx:
        tx.save_ingest_state(FLIGHTS, replace(tx.ingest_state(FLIGHTS), rows_total=1000))
        tx.create_run(run())
        tx.append_event(event())
        print("written", flush=True)
        sys.stdin.readline()


def main(verb: str, url: str, times: str = "0") -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    store = open_store(url)
    if verb == "increment":
        increment(store, int(times))
    elif verb == "stop":
        stop_in_the_middle(store)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Commits of what the row log has written, and what follows when nobody knows whether one was made.

A connection that breaks while a database commits leaves that open. The row log then sees less than what
is committed: scores and labels that it does not see would be written once more. So it is read anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.domain import Ingested
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


@contextmanager
def committing_rows(watch: Watch, ingested: Ingested) -> Iterator[Transaction]:
    """A fenced transaction, after which the row log sees what it has written."""
    watch.row_log_in_doubt = True
    with watch.store.write() as tx:
        watch.fence(tx)
        yield tx
    watch.row_log.adopt(ingested)
    watch.row_log_in_doubt = False


def settle_doubt(watch: Watch) -> None:
    """See what is committed, if a commit failed since; files that it was not made for are deleted.

    Raises StateConflict when another daemon has the policy by now: what lies there uncommitted is its own.
    """
    if watch.row_log_in_doubt:
        watch.row_log.sweep(partial(_confirm, watch))
        watch.row_log_in_doubt = False


def _confirm(watch: Watch) -> None:
    with watch.store.write() as tx:
        watch.fence(tx)

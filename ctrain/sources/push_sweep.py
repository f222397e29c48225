"""Pushed batches that were read are deleted from the spool once the database remembers their ids."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from ctrain.domain.pushes import PushKind
from ctrain.errors import TransientError
from ctrain.sources.push_files import SUFFIX, SpoolFiles, content_of, entries, read_label
from ctrain.sources.push_spool import KEEP_READ, is_done, ledger_of

if TYPE_CHECKING:
    from ctrain.domain.pushes import PushedBatch
    from ctrain.policy.data import PushSource
    from ctrain.ports import Store
    from ctrain.sources.cursor import Ledger
    from ctrain.sources.push_contract import Contract, SpoolPlaces
    from ctrain.sources.push_files import SpoolEntry

ABANDONED = timedelta(hours=1)
"""After that nobody goes on with what was being written."""
AT_ONCE = 2000
"""Files, and ids, that one sweep takes on."""


def sweep_spool(
    places: SpoolPlaces, contract: Contract, store: Store, now: datetime, files: SpoolFiles | None = None
) -> int:
    """Delete what was read and committed; return how many batches that were.

    ``now`` is real time: files are as old as they are. A file that was set aside is kept as long as
    ids are remembered: it is read if the policy changes.
    """
    files = files or SpoolFiles()
    swept = 0
    for kind in contract.kinds:
        source = contract.source(kind)
        assert source is not None
        swept += _sweep(places, contract, kind, source, store, now, files)
    abandoned = (
        one.path for one in entries(places.incoming(contract.policy)) if now - one.written_at > ABANDONED
    )
    files.delete(abandoned)
    return swept


def _sweep(
    places: SpoolPlaces,
    contract: Contract,
    kind: PushKind,
    source: PushSource,
    store: Store,
    now: datetime,
    files: SpoolFiles,
) -> int:
    with store.read() as tx:
        ledger = ledger_of(tx.ingest_state(contract.policy), kind)
    found = entries(places.folder(contract.policy, kind))
    old = (one for one in found if _has_had_its_time(one, ledger, source, now))
    labelled = [(one, _label(one)) for one in islice(old, AT_ONCE)]
    known: list[PushedBatch] = [label for _, label in labelled if label is not None]
    with store.write() as tx:
        tx.remember_batches(contract.policy, kind, known)
        tx.forget_batches(contract.policy, kind, now - source.remember, AT_ONCE)
    files.delete(one.path for one, _ in labelled)
    return len(labelled)


def _has_had_its_time(one: SpoolEntry, ledger: Ledger, source: PushSource, now: datetime) -> bool:
    """True when name and content both say that the file was read, for long enough."""
    if one.path.suffix != SUFFIX or not is_done(ledger, one.path.name):
        return False
    done = ledger.known(one.path.name)
    kept = KEEP_READ if done is not None and done.rows is not None else max(source.remember, KEEP_READ)
    return now - one.written_at > kept and done is not None and content_of(one.path) == done.content


def _label(one: SpoolEntry) -> PushedBatch | None:
    try:
        return read_label(one.path)
    except TransientError:
        return None  # damaged, and set aside: there is nothing to remember

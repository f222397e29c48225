"""The spool of pushed batches: what was answered for is on disk, and counts once.

A batch is written beside the spool and made durable, then linked into it under a name made from its id:
of two senders one finds the name taken. That is the whole decision, and whoever was killed before the
answer finds it made when the batch is sent again. Files that were read are deleted (``push_sweep``) once
the database remembers their ids, and never sooner than ``KEEP_READ`` after they were written; so a sender
that has looked for the id less than ``DOUBT_SECONDS`` ago cannot have missed a batch that came and went.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.domain import PolicyName
from ctrain.domain.pushes import PushedBatch, PushKind
from ctrain.errors import InputError
from ctrain.sources.cursor import Ledger
from ctrain.sources.push_body import read_body
from ctrain.sources.push_contract import SpoolPlaces
from ctrain.sources.push_files import SpoolFiles, content_of, entries, file_name, read_label
from ctrain.sources.push_refusals import BadBatch, NoSuchPolicy, NotPushed, OtherBatch, SpoolAway, SpoolFull
from ctrain.sources.push_rows import judge_rows

if TYPE_CHECKING:
    from ctrain.domain import IngestState
    from ctrain.policy.data import PushSource
    from ctrain.ports import Store, Timer
    from ctrain.sources.push_contract import Contract
    from ctrain.sources.push_files import SpoolEntry
    from ctrain.sources.push_rows import Judged

KEEP_READ = timedelta(minutes=15)
"""Files that were read are kept for so long after they were written."""
DOUBT_SECONDS = 300.0
LOOK_SECONDS = 2.0
"""So often it is looked up how much of a spool is unread."""
MOST_ID = 200
AT_ONCE = 2
"""Batches that are judged at the same time: each takes many times its size in memory."""
COME_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch as it came."""

    media_type: str
    body: bytes
    batch_id: str | None
    """As said beside the body."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a sender is told of a batch that is on disk."""

    batch_id: str
    rows: int
    repeated: bool
    """It had been taken before, and nothing was done."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a spool is unread."""

    batches: int
    bytes: int


class Spool:
    """Takes batches for all policies; usable from several threads, and beside other processes."""

    def __init__(
        self, places: SpoolPlaces, store: Store, timer: Timer, files: SpoolFiles | None = None
    ) -> None:
        self._places = places
        self._store = store
        self._timer = timer
        self._files = files or SpoolFiles()
        self._judging = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._unread: dict[tuple[PolicyName, PushKind], tuple[float, int]] = {}
        """When it was looked up, and how many bytes there were, or have come since."""

    def take(self, policy: PolicyName, kind: PushKind, sent: Sent, now: datetime) -> Taken:
        """Return once the batch is durable, and will be read once.

        Raises
        ------
        NoSuchPolicy, NotPushed, OtherBatch, SpoolFull, DiskFull, SpoolAway
            see ``push_refusals``; nothing of the batch is on disk.
        InputError
            for everything that is wrong with the batch itself.
        TransientError
            when the database does not answer.
        """
        contract, source = self._contract(policy, kind)
        began = self._timer.monotonic()
        with self._judging:
            body = read_body(sent.media_type, sent.body, kind)
            batch_id = _agreed(sent.batch_id, body.batch_id)
            digest = hashlib.sha256(sent.body).hexdigest()
            path = self._places.folder(policy, kind) / file_name(batch_id)
            known = self._known(policy, kind, batch_id, path)
            if known is not None:
                return self._repeated(known, digest, path)
            self._require_room(policy, kind, source)
            judged = judge_rows(body.rows, contract, kind, now)
        return self._put(policy, kind, batch_id, digest, judged, path, began)

    def _contract(self, policy: PolicyName, kind: PushKind) -> tuple[Contract, PushSource]:
        try:
            contract = self._places.contract(policy)
        except InputError as error:
            raise NoSuchPolicy(str(error)) from None
        source = contract.source(kind) if contract is not None else None
        if contract is not None and source is not None:
            return contract, source
        with self._store.read() as tx:
            if tx.policy_record(policy) is None:
                raise NoSuchPolicy(f"there is no policy {policy} here")
        key = "data.source" if kind is PushKind.ROWS else "data.labels.source"
        raise NotPushed(
            f"the policy {policy} takes no {kind} over HTTP: its {key} is not {{type: push}}, or no daemon "
            "watches it any more"
        )

    def _known(self, policy: PolicyName, kind: PushKind, batch_id: str, path: Path) -> PushedBatch | None:
        """The batch of this id that was taken before: in the spool, or else on record."""
        waiting = read_label(path)
        if waiting is not None:
            return waiting
        with self._store.read() as tx:
            return tx.pushed_batch(policy, kind, batch_id)

    def _repeated(self, known: PushedBatch, digest: str, path: Path) -> Taken:
        if known.digest != digest:
            raise OtherBatch(
                f"another batch was sent under the id {known.id!r}: give each batch an id of its own"
            )
        self._files.settle(path.parent)  # who sent it first may have died before
        return Taken(known.id, known.rows, repeated=True)

    def _require_room(self, policy: PolicyName, kind: PushKind, source: PushSource) -> None:
        unread = self._unread_bytes(policy, kind)
        if unread >= source.max_unread:
            raise SpoolFull(
                f"{unread} bytes of {kind} wait to be read, {source.max_unread} may (max_unread): "
                "is a daemon running?",
                COME_AGAIN,
            )

    def _unread_bytes(self, policy: PolicyName, kind: PushKind) -> int:
        now = self._timer.monotonic()
        with self._lock:
            looked_at, unread = self._unread.get((policy, kind), (float("-inf"), 0))
            if now - looked_at < LOOK_SECONDS:
                return unread
            unread = waiting_in(self._places, self._store, policy, kind).bytes
            self._unread[policy, kind] = now, unread
            return unread

    def _put(
        self,
        policy: PolicyName,
        kind: PushKind,
        batch_id: str,
        digest: str,
        judged: Judged,
        path: Path,
        began: float,
    ) -> Taken:
        written = self._places.incoming(policy) / f"{uuid.uuid4().hex}.partial"
        self._files.require_room(written.parent, 2 * judged.table.nbytes)
        self._files.write(judged.table, batch_id, digest, written)
        try:
            if self._timer.monotonic() - began > DOUBT_SECONDS:
                raise SpoolAway("the disk was too slow: send the batch again")
            size = written.stat().st_size
            if not self._files.publish(written, path):
                return self._overtaken(policy, kind, batch_id, digest, path)
        finally:
            self._files.delete([written])
        self._files.settle(path.parent)
        with self._lock:
            looked_at, unread = self._unread.get((policy, kind), (float("-inf"), 0))
            self._unread[policy, kind] = looked_at, unread + size
        return Taken(batch_id, judged.table.num_rows, repeated=False, warnings=judged.warnings)

    def _overtaken(self, policy: PolicyName, kind: PushKind, batch_id: str, digest: str, path: Path) -> Taken:
        known = self._known(policy, kind, batch_id, path)
        if known is None:
            raise SpoolAway(f"the batch {batch_id!r} came and went: send it again")
        return self._repeated(known, digest, path)


def waiting_in(places: SpoolPlaces, store: Store, policy: PolicyName, kind: PushKind) -> Waiting:
    """Return what waits to be read of the batches of a policy, as the disk and the database tell."""
    with store.read() as tx:
        ledger = ledger_of(tx.ingest_state(policy), kind)
    sizes = [one.bytes for one in entries(places.folder(policy, kind)) if not _is_read(ledger, one)]
    return Waiting(len(sizes), sum(sizes))


def ledger_of(state: IngestState, kind: PushKind) -> Ledger:
    """Return what has been read of a spool, and is committed."""
    cursor = state.rows_cursor if kind is PushKind.ROWS else state.labels_cursor
    return Ledger.load(cursor, str(cursor.get("settings", "")))


def is_done(ledger: Ledger, name: str) -> bool:
    """True for a file that was read to its end, or set aside."""
    return ledger.known(name) is not None and name not in ledger.open


def _is_read(ledger: Ledger, one: SpoolEntry) -> bool:
    """True when it is this file that is done, not one of a batch whose id has been forgotten since."""
    done = ledger.known(one.path.name)
    if done is None or not is_done(ledger, one.path.name):
        return False
    return done.stat == one.stat or done.content == content_of(one.path)


def _agreed(beside: str | None, within: str | None) -> str:
    """The id that a batch is given, beside its body or in it."""
    if beside is not None and within is not None and beside != within:
        raise BadBatch("the header Idempotency-Key and batch_id differ: give one of them")
    found = beside if beside is not None else within
    if not found:
        raise BadBatch("the batch has no id: send it in the header Idempotency-Key, or as batch_id")
    if len(found) > MOST_ID or not found.isprintable():
        raise BadBatch(f"the id of a batch has at most {MOST_ID} printable characters")
    return found

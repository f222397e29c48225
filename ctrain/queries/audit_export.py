"""The history as JSON lines that can be checked without a database, and the check of such a file.

===========  =====================================================================================
line         fields
===========  =====================================================================================
``header``   ``schema``, ``exported_at``, ``policy``, ``from``, ``to`` (null: all), and ``follows``, the hash
             of the event before the first one (null where events of other policies are left out)
``event``    ``id``, ``policy``, ``kind``, ``at``, ``actor``, ``message``, ``run_id``, ``policy_hash``,
             ``evidence``, ``prev_hash``, ``hash``
``end``      ``events``, ``head`` (hash of the last event), ``sha256`` of all lines before this one
===========  =====================================================================================

``hash`` is the SHA-256, in hex, of ``prev_hash``, a new line, and the JSON of the eight fields between
``id`` and ``prev_hash``, with sorted keys and without spaces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.domain import PolicyName
from ctrain.domain.audit import UNREADABLE, Link
from ctrain.errors import InputError, PermanentError
from ctrain.queries.audit_chain import PAGE, ChainCheck, Fault, HistoryCheck

if TYPE_CHECKING:
    from ctrain.ports import Transaction

SCHEMA = "ctrain.history/1"
CONTENT = ("policy", "kind", "at", "actor", "message", "run_id", "policy_hash", "evidence")
LONGEST_LINE_BYTES = 64 * 2**20
LONGEST_END_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: of one policy or of all, from an instant on, before another."""

    policy: PolicyName | None = None
    start: datetime | None = None
    end: datetime | None = None


def export_lines(tx: Transaction, wanted: Wanted, now: datetime) -> Iterator[str]:
    """The lines of an export, each with its new line.

    Between the first event that is wanted and the last one every event is told, also one whose instant
    lies outside: a history in the order in which it was written has no gaps.

    Raises
    ------
    PermanentError
        when a row holds what no event can hold.
    """
    total = hashlib.sha256()
    span = tx.links_between(wanted.start, wanted.end)
    first, last = span or (0, -1)
    follows = _hash_before(tx, first) if span and wanted.policy is None else None
    header = {
        "line": "header",
        "schema": SCHEMA,
        "exported_at": now.isoformat(),
        "policy": wanted.policy,
        "from": wanted.start.isoformat() if wanted.start else None,
        "to": wanted.end.isoformat() if wanted.end else None,
        "follows": follows,
    }
    yield _told(header, total)
    events, head = 0, follows
    for link in _links(tx, wanted.policy, first, last):
        if UNREADABLE in link.content:
            raise PermanentError(f"{link} cannot be read: {link.content[UNREADABLE]}: `ctrain audit verify`")
        fields = {"line": "event", "id": link.number, **{name: link.content[name] for name in CONTENT}}
        yield _told({**fields, "prev_hash": link.prev_hash, "hash": link.hash}, total)
        events, head = events + 1, link.hash
    yield _line({"line": "end", "events": events, "head": head, "sha256": total.hexdigest()})


def _hash_before(tx: Transaction, first: int) -> str:
    return tx.links(first - 1, 1)[0].prev_hash


def _links(tx: Transaction, policy: PolicyName | None, first: int, last: int) -> Iterator[Link]:
    after = first - 1
    while page := tx.links(after, PAGE, policy=policy, until=last):
        yield from page
        after = page[-1].number


def _told(fields: dict[str, Any], total: Any) -> str:
    line = _line(fields)
    total.update(line.encode("utf-8", "surrogatepass"))
    return line


def _line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True) + "\n"


def check_export(path: Path, expected: str = "") -> HistoryCheck:
    """What a pass over an exported file finds; ``expected`` is the hash of an event, or the file's own.

    Raises
    ------
    InputError
        when the file is none of ours, or a line of it is no JSON.
    """
    try:
        with path.open("rb") as file:
            return _ExportCheck(path, expected).run(iter(lambda: file.readline(LONGEST_LINE_BYTES + 1), b""))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


class _ExportCheck:
    def __init__(self, path: Path, expected: str) -> None:
        self._path, self._expected = path, expected.lower()
        self._total = hashlib.sha256()
        self._before_the_end = ""
        self._number = 0

    def run(self, lines: Iterator[bytes]) -> HistoryCheck:
        header = self._next(lines)
        if header is None or header.get("schema") != SCHEMA:
            raise InputError(f"{self._path}: this is no export of a history ({SCHEMA})")
        expects_file = bool(self._expected) and self._ends_with_expected()
        check = ChainCheck(
            expected="" if expects_file else self._expected,
            follows=str(header.get("follows")),
            gaps=header.get("policy") is not None,
        )
        events = 0
        while (fields := self._next(lines)) is not None and fields.get("line") == "event":
            events += 1
            if not check.take(self._link(fields)):
                return check.result()
        found = check.result()
        told = self._why_the_end_is_wrong(fields, events, found.head if events else header.get("follows"))
        if not told and next(lines, b""):
            self._number += 1
            told = "something stands behind the end: it was added"
        if found.fault is None and told:
            last = found.last_event or 0
            check.fault = Fault(last + 1, f"line {self._number}: {told}")
        return check.result()

    def _why_the_end_is_wrong(self, end: dict[str, Any] | None, events: int, head: str | None) -> str:
        if end is None or end.get("line") != "end":
            return "the export has no end: it was cut off"
        if end.get("events") != events or end.get("head") != head:
            return f"the end tells of {end.get('events')} events, {events} are there"
        return "" if end.get("sha256") == self._before_the_end else "a line of the export was changed"

    def _ends_with_expected(self) -> bool:
        """True when the SHA-256 in the last line of the file is the expected one."""
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LONGEST_END_BYTES))
            line = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        try:
            end = json.loads(line)
        except (ValueError, RecursionError):
            return False
        return isinstance(end, dict) and str(end.get("sha256")).startswith(self._expected)

    def _next(self, lines: Iterator[bytes]) -> dict[str, Any] | None:
        line = next(lines, b"")
        if not line:
            return None
        self._number += 1
        if len(line) > LONGEST_LINE_BYTES:
            raise InputError(
                f"{self._path}:{self._number}: the line has more than {LONGEST_LINE_BYTES} bytes"
            )
        self._before_the_end = self._total.hexdigest()
        self._total.update(line)
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self._path}:{self._number}: the line is no JSON: {error}") from None
        if not isinstance(fields, dict):
            raise InputError(f"{self._path}:{self._number}: expected an object")
        return fields

    def _link(self, fields: dict[str, Any]) -> Link:
        try:
            content = {name: fields[name] for name in CONTENT}
            return Link(int(fields["id"]), str(fields["prev_hash"]), str(fields["hash"]), content)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{self._path}:{self._number}: this is no event of a history: {error}") from None

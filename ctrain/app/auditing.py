"""The audit of a home: its history checked, exported and asked; its heads kept while a daemon runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.asking import check_known
from ctrain.app.wiring import open_existing_database
from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from ctrain.errors import CtrainError, InputError, TransientError
from ctrain.queries.audit_chain import SHORTEST_EXPECTED, HistoryCheck, all_links, check_links
from ctrain.queries.audit_champion import ChampionThen, champion_then
from ctrain.queries.audit_export import Wanted, check_export, export_lines
from ctrain.store.heads import HeadFile

if TYPE_CHECKING:
    from ctrain.ports import Store, Telemetry
    from ctrain.settings import Settings

HEADS_EVERY = timedelta(minutes=1)
"""How long events may stand at the end of the history before their head is kept."""


def verify_history(settings: Settings, expected: str = "") -> HistoryCheck:
    """What one pass over the home's history finds; when it is whole its head is kept from now on.

    Raises
    ------
    InputError
        when there is no home, ``expected`` is no hash, or the file of heads cannot be read.
    """
    store = open_existing_database(settings)
    heads = HeadFile(settings.home)
    kept = heads.heads()
    with store.read() as tx:
        found = check_links(all_links(tx), kept, checked_hash(expected))
    if found.intact:
        heads.note(store, RealTimer().now())
    return found


def verify_export(path: Path, expected: str = "") -> HistoryCheck:
    """What one pass over an exported file finds; no home is needed."""
    return check_export(path, checked_hash(expected))


def checked_hash(text: str) -> str:
    """``text`` when it can be a SHA-256 or the beginning of one, or is empty.

    Raises
    ------
    InputError
        otherwise.
    """
    is_hex = all(letter in "0123456789abcdefABCDEF" for letter in text)
    if text and not (is_hex and SHORTEST_EXPECTED <= len(text) <= 64):
        raise InputError(
            f"--expect {text!r}: expected a hash, or the first {SHORTEST_EXPECTED} or more digits of one"
        )
    return text


def export_history(
    settings: Settings, policy: str | None, start: datetime | None, end: datetime | None
) -> Iterator[str]:
    """The lines of an export; raises InputError when there is no home or no such policy."""
    store = open_existing_database(settings)
    if policy is not None:
        check_known(store, PolicyName(policy))
    wanted = Wanted(PolicyName(policy) if policy is not None else None, start, end)
    return _lines(store, wanted)


def _lines(store: Store, wanted: Wanted) -> Iterator[str]:
    with store.read() as tx:
        yield from export_lines(tx, wanted, RealTimer().now())


def champion_at(settings: Settings, policy: str, at: datetime) -> ChampionThen:
    """Which version was the policy's champion at ``at``; raises InputError for an unknown policy."""
    store = open_existing_database(settings)
    check_known(store, PolicyName(policy))
    with store.read() as tx:
        return champion_then(tx, PolicyName(policy), at)


class HeadKeeper:
    """Keeps the head of the history while a daemon runs; that it cannot is logged, and stops nothing."""

    def __init__(self, home: Path, store: Store, telemetry: Telemetry) -> None:
        self._file, self._store, self._telemetry = HeadFile(home), store, telemetry
        self._told = ""

    def keep(self) -> None:
        try:
            self._file.note(self._store, RealTimer().now())
            self._told = ""
        except (CtrainError, OSError) as error:
            if str(error) != self._told:
                away = isinstance(error, TransientError | OSError)
                self._telemetry.log("history_head_failed" if away else "history_refused", message=str(error))
            self._told = str(error)

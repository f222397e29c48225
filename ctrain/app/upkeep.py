"""Backups of the database, and what is done to it while no daemon runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.app.lease import DaemonLeases
from ctrain.clocks import RealTimer
from ctrain.errors import StateConflict
from ctrain.store.upkeep import BackedUp, Upgraded, back_up, check_database, downgrade_database

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.settings import Settings


def back_up_database(settings: Settings, out: Path | None) -> BackedUp:
    """Write a consistent copy of the database to ``out``, or to a file named after the time in the home."""
    named = settings.home / "backups" / f"state-{RealTimer().now():%Y%m%dT%H%M%S.%fZ}"
    return back_up(settings.database_url, out.absolute() if out else named)


def take_back(settings: Settings, revision: str) -> Upgraded:
    """Take the schema of the database back to an older revision; what newer tables held is lost.

    Raises
    ------
    InputError
        when there is no database, or it cannot be taken back to that revision.
    StateConflict
        while a daemon lives.
    """
    from ctrain.store import open_store
    from ctrain.store.schema import HEAD

    if check_database(settings.database_url).revision == HEAD:
        store = open_store(settings.database_url)
        try:
            leases = DaemonLeases(store, settings.lease)
            daemons = leases.look().daemons | leases.silent()
        finally:
            store.close()
        if daemons:
            raise StateConflict(f"a daemon ({min(daemons)}) works with this database; stop it first")
    return downgrade_database(settings.database_url, revision)

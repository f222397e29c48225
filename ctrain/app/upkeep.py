"""Backups of the database: where they lie unless somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.clocks import RealTimer
from ctrain.store.upkeep import BackedUp, back_up

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.settings import Settings


def back_up_database(settings: Settings, out: Path | None) -> BackedUp:
    """Write a consistent copy of the database to ``out``, or to a file named after the time in the home."""
    named = settings.home / "backups" / f"state-{RealTimer().now():%Y%m%dT%H%M%S.%fZ}"
    return back_up(settings.database_url, out.absolute() if out else named)

"""What a shell offers for names of policies and runs: those of the home; whatever fails, it is silent."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ctrain.ports import Transaction

NEWEST_RUNS = 50


def complete_policies(context: typer.Context, incomplete: str) -> list[str]:
    """Return the policies of the home that begin so."""
    return _names(context, incomplete, lambda tx: list(tx.policies()))


def complete_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the newest runs of the home that begin so, the newest first."""
    return _names(context, incomplete, lambda tx: [run.id for run in tx.runs(limit=NEWEST_RUNS)])


def _names(context: typer.Context, incomplete: str, read: Callable[[Transaction], list[str]]) -> list[str]:
    with suppress(Exception):  # there may be no home, no database or no right to read it: nothing is offered
        from ctrain.settings import Settings
        from ctrain.store import open_store

        settings = Settings.load(context.params.get("home"), os.environ)
        with open_store(settings.database_url, create=False).read() as tx:
            return [name for name in read(tx) if name.startswith(incomplete)]
    return []

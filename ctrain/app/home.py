"""The home that belongs to a database: rows, run folders and artifacts lie there, and nowhere else.

Daemons that share a database share the home, too. A file in it holds its id, the database knows the same;
a daemon with another home would see none of the rows that the database speaks of.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import InputError

if TYPE_CHECKING:
    from ctrain.ports import Store
    from ctrain.settings import Settings

HOME_ID = "home.id"


def claim_home(settings: Settings, store: Store) -> None:
    """Make the home that of the database, if it has none.

    Raises
    ------
    InputError
        when the database belongs to another home.
    """
    own = _id_of(settings.home)
    with store.write() as tx:
        known, path = tx.claim_home(own, str(settings.home), tx.database_now())
    if known != own:
        raise InputError(
            f"--home {settings.home}: the database belongs to another home, first used as {path}. Daemons "
            f"that share a database share its home. If this is that home, restored or rebuilt, say so: "
            f"echo {known} > {settings.home / HOME_ID}"
        )


def _id_of(home: Path) -> str:
    """What stands in the file; the first daemon writes it."""
    path = home / HOME_ID
    partial = home / f".{HOME_ID}.{uuid.uuid4().hex}.partial"
    try:
        if not path.exists():
            partial.write_text(f"{uuid.uuid4().hex}\n")
            with suppress(FileExistsError):  # another daemon was first
                os.link(partial, path)
            partial.unlink()
        found = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read or written: {error}") from error
    if not found:
        raise InputError(f"{path}: expected the id of the home, found nothing")
    return found

"""MLflow's embedded database as a first start makes it: made once for a run of the tests, then copied."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from ctrain.child.files import take_lock
from ctrain.registry.embedded import prepare_embedded

PLACE = "CTRAIN_TESTS_PREPARED"
"""Names the folder of the copy that all workers of this run share; without it nothing is copied."""
PATIENCE_SECONDS = 120.0
DATABASE, MARKER = "mlflow.db", "mlflow.db.version"


def lay_out_mlflow(home: Path) -> None:
    """Let a home begin with the database, which otherwise costs its first daemon some seconds."""
    place = os.environ.get(PLACE)
    if place is None or (home / DATABASE).exists():
        return
    original = _original(Path(place))
    shutil.copy(original / DATABASE, home / DATABASE)
    with closing(sqlite3.connect(home / DATABASE)) as database, database:
        database.execute(
            "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)",
            (original.as_uri(), home.absolute().as_uri()),
        )
    shutil.copy(original / MARKER, home / MARKER)


def _original(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    lock = take_lock(place / "lock", PATIENCE_SECONDS)
    assert lock is not None, "another worker prepares MLflow's database for too long"
    with lock:
        prepare_embedded(place)
        with closing(sqlite3.connect(place / DATABASE)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return place

"""Creates or migrates MLflow's database in a SQLite file, one process at a time, with WAL set beforehand."""

from __future__ import annotations

import importlib.metadata
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from ctrain.child.files import take_lock

PATIENCE_SECONDS = 120.0


def main(arguments: list[str]) -> int:
    os.umask(0o077)  # the database holds what everybody has logged
    database, marker = Path(arguments[0]), Path(arguments[1])
    lock = take_lock(database.with_name(database.name + ".lock"), PATIENCE_SECONDS)
    if lock is None:
        print(f"another process has been preparing {database} for {PATIENCE_SECONDS:.0f} s", file=sys.stderr)
        return 1
    version = importlib.metadata.version("mlflow")
    if database.exists() and marker.exists() and marker.read_text().strip() == version:
        return 0
    _migrate(database)
    partial = marker.with_name(marker.name + ".partial")
    partial.write_text(version + "\n")
    os.replace(partial, marker)
    return 0


def _migrate(database: Path) -> None:
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        is_old = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone()
    uri = f"sqlite:///{database}"
    if is_old:
        engine = utils.create_sqlalchemy_engine(uri)  # type: ignore[no-untyped-call]  # mlflow is half typed
        utils._upgrade_db(engine)  # type: ignore[no-untyped-call]  # what `mlflow db upgrade` calls
        engine.dispose()
    SqlAlchemyStore(uri, (database.parent / "artifacts").as_uri())  # type: ignore[no-untyped-call]  # creates the tables

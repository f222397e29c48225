"""The embedded MLflow under the home: a SQLite file and a folder of artifacts."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from pathlib import Path

from ctrain.children import child_command, child_environment
from ctrain.errors import PermanentError
from ctrain.store.private import make_private_folder

PREPARE_TIMEOUT_SECONDS = 300.0


def embedded_tracking_uri(home: Path) -> str:
    """Where the MLflow of a home lies; ``mlflow ui --backend-store-uri`` opens it."""
    return f"sqlite:///{embedded_database(home)}"


def embedded_database(home: Path) -> Path:
    """The file that the MLflow of a home keeps its state in; it may not be there yet."""
    return home.absolute() / "mlflow.db"


def prepare_embedded(home: Path, python: str = "") -> str:
    """Create or migrate the home's MLflow database before anything else touches it; return its URI.

    Costs nothing when this version of MLflow has prepared it before; otherwise a few seconds in a child,
    one process at a time, because MLflow's own migration crashes when several begin it together.

    Raises
    ------
    PermanentError
        when the database cannot be created or migrated.
    """
    database = embedded_database(home)
    marker = database.with_name("mlflow.db.version")
    uri = embedded_tracking_uri(home)
    if (
        database.exists()
        and marker.exists()
        and marker.read_text().strip() == importlib.metadata.version("mlflow")
    ):
        return uri
    make_private_folder(home)
    done = subprocess.run(
        child_command(python, "prepare", str(database), str(marker)),
        env=child_environment(os.environ, tracking_uri=uri, threads=1),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        text=True,
        timeout=PREPARE_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise PermanentError(f"MLflow's database {database} cannot be prepared:\n{done.stderr[-2000:]}")
    return uri

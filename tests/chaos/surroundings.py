"""What daemons rely on: their database and MLflow, wherever those are, and how they let daemons down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

Trouble = Callable[[], AbstractContextManager[None]]


class Surroundings:
    """All in the home: SQLite and the embedded MLflow, which nothing happens to."""

    names: Sequence[str] = ("early", "middle", "late")
    """Of the policies, and of their models."""
    every_number = True
    """The database leaves no number of an event out."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @contextmanager
    def ready(self) -> Iterator[None]:
        """While daemons may run."""
        yield

    def environ(self) -> Mapping[str, str]:
        """Where daemons find it all."""
        return {}

    def troubles(self) -> Mapping[str, Trouble]:
        """What can be wrong for a while, by name."""
        return {}

    def state(self) -> Path:
        """The state as an SQLite database."""
        return self.home / "state.db"

    def registry(self) -> Path:
        """MLflow's SQLite database, with a witness in it."""
        return self.home / "mlflow.db"

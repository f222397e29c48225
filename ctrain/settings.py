"""Settings of a daemon or a command: where its state lives; from arguments and environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ctrain.errors import InputError

DEFAULT_HOME = ".ctrain"
DEFAULT_LISTEN = "127.0.0.1:9464"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a daemon keeps its things; every path is absolute."""

    home: Path
    database_url: str
    tracking_uri: str | None
    """MLflow's address; None means the embedded MLflow under the home."""
    tick: timedelta = timedelta(seconds=10)
    registry_poll: timedelta = timedelta(seconds=30)
    lease: timedelta = timedelta(seconds=30)

    @classmethod
    def load(cls, home: Path | None, environ: Mapping[str, str]) -> Settings:
        """Read ``CTRAIN_HOME``, ``CTRAIN_DATABASE_URL``, ``CTRAIN_TICK_SECONDS``, ``MLFLOW_TRACKING_URI``.

        An argument wins over the environment, the environment over the default.

        Raises
        ------
        InputError
            when a value cannot be used.
        """
        folder = (home or Path(environ.get("CTRAIN_HOME") or DEFAULT_HOME)).expanduser().absolute()
        return cls(
            home=folder,
            database_url=environ.get("CTRAIN_DATABASE_URL") or f"sqlite:///{folder / 'state.db'}",
            tracking_uri=environ.get("MLFLOW_TRACKING_URI") or None,
            tick=_seconds(environ, "CTRAIN_TICK_SECONDS", 10.0),
            registry_poll=_seconds(environ, "CTRAIN_REGISTRY_POLL_SECONDS", 30.0),
        )

    @property
    def rows_folder(self) -> Path:
        return self.home / "rows"

    @property
    def runs_folder(self) -> Path:
        return self.home / "runs"

    @property
    def scoring_folder(self) -> Path:
        return self.home / "scoring"


def _seconds(environ: Mapping[str, str], name: str, default: float) -> timedelta:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 86400:
        raise InputError(f"{name}: expected a number of seconds above 0, got {text!r}")
    return timedelta(seconds=value)

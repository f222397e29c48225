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
class Retention:
    """How long the database keeps what has been judged and decided, in event time.

    Events, runs and alias moves are the history that is audited: they are never deleted.
    """

    verdicts: timedelta = timedelta(days=30)
    """Every verdict, decision, occurrence and comparison point of an ended run."""
    history: timedelta = timedelta(days=400)
    """After that only changes: the first verdict of each status, every firing, the last comparison."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a daemon keeps its things; every path is absolute."""

    home: Path
    database_url: str
    tracking_uri: str | None
    """MLflow's address; None means the embedded MLflow under the home."""
    tick: timedelta = timedelta(seconds=10)
    registry_poll: timedelta = timedelta(seconds=30)
    lease: timedelta = timedelta(seconds=20)
    """Without a beat for so long a daemon counts as dead, and others take its policies."""
    retention: Retention = Retention()
    watch_folders: bool = True
    """A file that comes wakes the tick of its policy; without, it is found at the next tick."""
    console: bool = True
    """The daemon's address answers with API and console, too, by a child of the daemon."""

    @classmethod
    def load(cls, home: Path | None, environ: Mapping[str, str]) -> Settings:
        """Read ``CTRAIN_HOME``, ``CTRAIN_DATABASE_URL``, ``CTRAIN_TICK_SECONDS``, ``MLFLOW_TRACKING_URI``...

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
            lease=_seconds(environ, "CTRAIN_LEASE_SECONDS", 20.0),
            retention=_retention(environ),
            watch_folders=_switch(environ, "CTRAIN_WATCH_FOLDERS", default=True),
            console=_switch(environ, "CTRAIN_CONSOLE", default=True),
        )

    @property
    def rows_folder(self) -> Path:
        return self.home / "rows"

    @property
    def push_folder(self) -> Path:
        return self.home / "push"

    @property
    def marks_folder(self) -> Path:
        return self.home / "reading"

    @property
    def runs_folder(self) -> Path:
        return self.home / "runs"

    @property
    def scoring_folder(self) -> Path:
        return self.home / "scoring"


def _retention(environ: Mapping[str, str]) -> Retention:
    verdicts = _days(environ, "CTRAIN_KEEP_VERDICTS_DAYS", Retention().verdicts)
    history = _days(environ, "CTRAIN_KEEP_HISTORY_DAYS", Retention().history)
    if history < verdicts:
        raise InputError("CTRAIN_KEEP_HISTORY_DAYS: expected at least CTRAIN_KEEP_VERDICTS_DAYS")
    return Retention(verdicts, history)


def _switch(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name) or ("1" if default else "0")
    if text not in ("0", "1"):
        raise InputError(f"{name}: expected 0 or 1, got {text!r}")
    return text == "1"


def _days(environ: Mapping[str, str], name: str, default: timedelta) -> timedelta:
    text = environ.get(name) or str(default.days)
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise InputError(f"{name}: expected a whole number of days above 0, got {text!r}")
    return timedelta(days=int(text))


def _seconds(environ: Mapping[str, str], name: str, default: float) -> timedelta:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 86400:
        raise InputError(f"{name}: expected a number of seconds above 0, got {text!r}")
    return timedelta(seconds=value)

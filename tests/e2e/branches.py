"""Other endings of the story: from where the daemon was killed, somebody else moves the champion alias."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from ctrain.demo.production import mlflow_alias
from tests.e2e.faulty_daemon import TRAINING_STARTED
from tests.e2e.state import rows_of
from tests.e2e.story import At, Daemon, Story, copy_of, home_of, settle

ELSEWHERE = "3"
"""A version that somebody registered without ctrain; it predicts what version 1 predicts."""


@dataclass
class Branches:
    """Where the story stood at each kill: its files, and MLflow as it was then."""

    folder: Path
    when_ready: Callable[[str], None]
    """Called with a point once its copy is whole."""
    at: dict[str, datetime] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)

    def keep(self, story: Story, fault: At) -> None:
        """Copy everything when the daemon has just been killed."""
        self.at[fault.point] = story.now
        copy_of(story, self.folder / fault.point)
        story.server.copy_to(self.folder / fault.point)
        self.fresh.append(fault.point)

    def finish(self, story: Story) -> None:
        """Let the orphan have ended its training in the copy too, as if nobody had come for long."""
        points, self.fresh = self.fresh, []
        for point in points:
            if point == TRAINING_STARTED:
                place = self.folder / point
                runs = home_of(place) / "runs"
                shutil.rmtree(runs)
                shutil.copytree(home_of(story.folder) / "runs", runs)
                story.server.copy_to(place)
            self.when_ready(point)


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody else points an alias elsewhere: before the daemon starts again, or at one of its points."""

    killed_at: str
    before: Mapping[str, str | None] = field(default_factory=dict)
    """Aliases that are set, or deleted, while no daemon runs."""
    fault: At | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of it."""

    run: dict[str, Any]
    aliases: dict[str, str | None]
    events: list[dict[str, Any]]
    intents: list[dict[str, Any]]
    known_champion: str | None


def play(branches: Branches, name: str, move: Move, folder: Path) -> Ending:
    """Go on from a copy of where the daemon was killed until nothing is left to do at that instant."""
    shutil.copytree(branches.folder / move.killed_at, folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    registered = client.create_model_version(name, client.get_model_version_download_uri(name, "1"))
    assert str(registered.version) == ELSEWHERE
    for alias, version in move.before.items():
        if version is None:
            client.delete_registered_model_alias(name, alias)
        else:
            client.set_registered_model_alias(name, alias, version)
    daemon = Daemon(folder, uri, move.fault)
    try:
        assert settle(daemon, branches.at[move.killed_at]), daemon.log()
        assert daemon.stop() == 0, daemon.log()
    finally:
        daemon.end()
    return _ending(folder, name, uri)


def _ending(folder: Path, name: str, uri: str) -> Ending:
    home = home_of(folder)
    champions = rows_of(home, "SELECT version FROM champions")
    return Ending(
        run=rows_of(home, "SELECT * FROM runs ORDER BY number DESC LIMIT 1")[0],
        aliases={alias: mlflow_alias(uri, name, alias)() for alias in ("champion", "previous_champion")},
        events=rows_of(home, "SELECT * FROM events ORDER BY id"),
        intents=rows_of(home, "SELECT * FROM alias_intents ORDER BY number"),
        known_champion=champions[0]["version"] if champions else None,
    )

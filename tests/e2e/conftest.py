"""One MLflow server and two stories for all tests of this folder: they are told side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e.branches import Branches, Ending, play
from tests.e2e.faulty_daemon import (
    AFTER_CHAMPION,
    AFTER_PREVIOUS,
    PROBATION_POINT,
    ROWS_COMMITTED,
    ROWS_WRITTEN,
    TRAINING_STARTED,
)
from tests.e2e.mlflow_server import MlflowServer, mlflow_server
from tests.e2e.moves import MOVES
from tests.e2e.story import At, Story

SIDE_BY_SIDE = 2
KILLS = (
    At(ROWS_COMMITTED),
    At(TRAINING_STARTED, count=2),
    At(ROWS_WRITTEN),
    At(AFTER_PREVIOUS),
    At(AFTER_CHAMPION),
    At(PROBATION_POINT),
)
"""One after the other: the daemon that comes back is killed at the next point."""


@dataclass(frozen=True, slots=True)
class Told:
    """The same stream twice: watched by one daemon, and by seven of which six were killed."""

    undisturbed: Story
    killed: Story
    endings: Mapping[str, Future[Ending]]
    """What came of each move of the alias by somebody else; a failure belongs to the test that asks."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with (
        pytest.MonkeyPatch.context() as patch,
        mlflow_server(tmp_path_factory.mktemp("mlflow") / "server") as running,
    ):
        patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield running


@pytest.fixture(scope="session")
def told(
    server: MlflowServer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Told]:
    import mlflow.pyfunc  # noqa: F401 - once, before two threads want it

    asked = any("test_moved_outside" in item.nodeid for item in request.session.items)
    folder = tmp_path_factory.mktemp("stories")
    endings: dict[str, Future[Ending]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:

        def branch_off(point: str) -> None:
            for name, move in MOVES.items():
                if asked and move.killed_at == point:
                    endings[name] = pool.submit(play, branches, "shaken", move, folder / name)

        branches = Branches(folder / "branches", when_ready=branch_off)
        undisturbed = Story(folder / "steady", "steady", server)
        killed = Story(folder / "shaken", "shaken", server, KILLS, branches.keep, branches.finish)
        playing = [pool.submit(story.play) for story in (undisturbed, killed)]
        yield Told(playing[0].result(), playing[1].result(), endings)

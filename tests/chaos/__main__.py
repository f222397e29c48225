"""``python -m tests.chaos``: crashes by the thousand, and what a checker says of each episode.

Forks of this process die at every named point; then daemons are killed as processes. The last line is
``0 promises broken``, or the exit code is 1 and every broken promise has a line.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ctrain.clocks import RealTimer
from tests.chaos.daemons import fail_around, kill_daemons
from tests.chaos.forks import Toll, reachable, storm
from tests.chaos.outages import Services, small_disk
from tests.chaos.world import DurableStory
from tests.e2e.mlflow_server import mlflow_server
from tests.support.postgres import running_cluster


def main(words: Sequence[str]) -> int:
    asked = _arguments(words)
    total, over = Toll(), Deadline(asked.minutes)
    if asked.crashes:
        total.add(crash_forks(asked.seed, asked.crashes, asked.at_each, asked.workers, over))
    if asked.kills:
        with _scratch() as place:
            total.add(kill_daemons(Path(place), seed=asked.seed, kills=asked.kills, over=over))
    if asked.outages:
        total.add(with_outages(asked.seed, asked.outages))
    _show(total)
    return 1 if total.broken else 0


def with_outages(seed: int, episodes: int) -> Toll:
    """Daemons on PostgreSQL and a real MLflow server, which fail for a while and come back."""
    with (
        _scratch() as place,
        running_cluster() as cluster,
        mlflow_server(Path(place) / "mlflow") as mlflow,
        small_disk(mlflow.artifacts) as small,
    ):
        services = Services(cluster, mlflow, small=small)
        return fail_around(Path(place) / "fleets", services, seed=seed, episodes=episodes)


class Deadline:
    """True once so many minutes are over; never without a number."""

    def __init__(self, minutes: float | None) -> None:
        self._at = None if minutes is None else RealTimer().monotonic() + 60 * minutes

    def __call__(self) -> bool:
        return self._at is not None and RealTimer().monotonic() > self._at


def crash_forks(seed: int, crashes: int, at_each: int, workers: int, over: Deadline) -> Toll:
    """Several storms side by side; each begins where the story, which is told once, has bookmarks."""
    total = Toll()
    memory = Path("/dev/shm")  # commits wait for no disk there
    with tempfile.TemporaryDirectory(
        prefix="ctrain-chaos-", dir=memory if memory.is_dir() else None
    ) as place:
        context = multiprocessing.get_context("fork")
        share = (-(-crashes // workers), -(-at_each // workers))
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            jobs = [
                pool.submit(_storm, f"{place}/{number}", seed + number, *share, over)
                for number in range(workers)
            ]
            for job in jobs:
                total.add(job.result())
    return total


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one: commits wait for no disk there."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="ctrain-chaos-", dir=memory if memory.is_dir() else None)


def _storm(place: str, seed: int, crashes: int, at_each: int, over: Deadline) -> Toll:
    folder = Path(place)
    story = DurableStory(folder / "story").tell()
    reached = reachable(story, folder)
    return storm(story, reached, folder, seed=seed, crashes=crashes, at_each=at_each, over=over)


def _show(toll: Toll) -> None:
    for point, count in sorted(toll.kills.items()):
        print(f"{count:6} killed at {point}")
    for pattern, count in sorted(toll.troubles.items()):
        print(f"{count:6} times trouble at {pattern}")
    for line in toll.broken:
        print(f"BROKEN {line}")
    fewest = min(toll.kills.values(), default=0)
    print(f"{toll.kills.total()} kills at {len(toll.kills)} points, {fewest} at least at each", end=", ")
    print(f"{toll.episodes} episodes, {len(toll.broken)} promises broken")


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", type=int, default=2000, help="of forks")
    parser.add_argument("--at-each", type=int, default=20, help="at every named point, at least")
    parser.add_argument(
        "--kills", type=int, default=200, help="of daemons, trainings and scorers as processes"
    )
    parser.add_argument("--outages", type=int, default=4, help="episodes in which services fail for a while")
    parser.add_argument("--minutes", type=float, help="for crashes and kills at most")
    parser.add_argument("--workers", type=int, default=2, help="side by side")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

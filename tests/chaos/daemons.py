"""Daemons, trainings and scorers that are killed as processes, at named points and at any moment.

Fleets with a real MLflow go through their streams, one after the other; whoever is killed comes back. What
they rely on can fail meanwhile, and the clock goes wrong.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ctrain.registry.embedded import prepare_embedded
from tests.chaos.checker.evidence import WITNESS
from tests.chaos.fleet import Fleet
from tests.chaos.forks import Toll, never
from tests.chaos.mortals import Mortals
from tests.chaos.outages import FailingSurroundings, Services
from tests.chaos.surroundings import Surroundings
from tests.support.zygote import Zygote


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[Zygote, Path]]:
    """The warm process, and an empty home with a witness in MLflow's database."""
    home = folder / "template"
    folder.mkdir(parents=True, exist_ok=True)
    zygote = Zygote(folder)
    try:
        prepare_embedded(home, str(zygote.python))
        with closing(sqlite3.connect(home / "mlflow.db")) as database:
            database.executescript(WITNESS)
        yield zygote, home
    finally:
        zygote.close()


def kill_daemons(
    folder: Path, *, seed: int, kills: int, an_episode: int = 40, over: Callable[[], bool] = never
) -> Toll:
    """Fleets one after the other until so many processes were killed, or it is over."""
    toll, chance = Toll(), random.Random(seed)
    with prepared(folder) as (zygote, template):
        while toll.kills.total() < kills and not over():
            place = folder / f"fleet-{toll.episodes}"
            place.mkdir()
            shutil.copytree(template, place / "home")
            left = min(an_episode, kills - toll.kills.total())
            around = Surroundings(place / "home")
            fleet = Fleet(Mortals(place, zygote, chance, left, toll, around))
            toll.broken += [f"fleet {toll.episodes}: {line}" for line in fleet.play()]
            toll.episodes += 1
            shutil.rmtree(place)
    return toll


def fail_around(folder: Path, services: Services, *, seed: int, episodes: int, kills_each: int = 6) -> Toll:
    """Fleets whose database, MLflow and disk fail for a while, one after the other."""
    toll, chance = Toll(), random.Random(seed)
    with prepared(folder) as (zygote, _):
        for number in range(episodes):
            place = folder / f"around-{number}"
            place.mkdir()
            around = FailingSurroundings(place / "home", services, number)
            with around.ready():
                fleet = Fleet(Mortals(place, zygote, chance, kills_each, toll, around))
                toll.broken += [f"{place.name}: {line}" for line in fleet.play()]
            toll.episodes += 1
            shutil.rmtree(place)
    return toll

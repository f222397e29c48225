"""The demo put together: the flights, the real daemon on the shipped policy, MLflow and the replay."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.clocks import RealTimer, StreamClockFile
from ctrain.demo.daemon import DaemonChild, Stage, choose_listen, give_trigger
from ctrain.demo.flights import load_flights
from ctrain.demo.home import POLICY_NAME, find_policy, prepare_home
from ctrain.demo.production import Production, mlflow_alias, mlflow_loader
from ctrain.demo.replay import UNTIL, Cast, Plan, Replay
from ctrain.demo.screen import Screen
from ctrain.demo.sight import Watcher
from ctrain.registry.embedded import embedded_tracking_uri

if TYPE_CHECKING:
    from ctrain.demo.summary import Summary

QUIET_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_NUM_THREADS": "1",
}
"""Set before the first import: for one day's flights, threads cost more than they save."""


def set_stage(home: Path, listen: str | None) -> Stage:
    """Return an empty stage in ``home``; raises InputError when the folder is not the demo's."""
    policy = find_policy()
    return Stage(home=prepare_home(home), policy=policy, listen=choose_listen(listen))


def perform(stage: Stage, screen: Screen, until: datetime = UNTIL) -> Summary:
    """Play the demo on ``stage`` and return its summary; the daemon is stopped in any case.

    Raises
    ------
    InputError
        when the flights are not installed.
    TransientError
        when the daemon ends or hangs; its log says why.
    """
    timer = RealTimer()
    started_seconds = timer.monotonic()
    for name, value in QUIET_MLFLOW.items():
        os.environ.setdefault(name, value)
    clock = StreamClockFile(stage.home)
    plan = Plan(until=until)
    clock.set(plan.starts_at)
    with DaemonChild(stage) as daemon:
        flights = load_flights()
        clock.wait_until_quiet(plan.starts_at, 120.0, daemon.alive)
        tracking_uri = embedded_tracking_uri(stage.home)
        production = Production(flights, stage.stream, mlflow_loader(tracking_uri, POLICY_NAME))
        cast = _cast(stage, daemon, clock, timer, production)
        with screen:
            return Replay(stage, cast, screen, plan).play(started_seconds)


def _cast(
    stage: Stage, daemon: DaemonChild, clock: StreamClockFile, timer: RealTimer, production: Production
) -> Cast:
    from ctrain.store import open_store

    return Cast(
        production=production,
        clock=clock,
        timer=timer,
        champion=mlflow_alias(embedded_tracking_uri(stage.home), POLICY_NAME, "champion"),
        watching=Watcher(open_store(f"sqlite:///{stage.home / 'state.db'}")),
        give_trigger=lambda staging: give_trigger(stage, staging),
        alive=daemon.alive,
    )

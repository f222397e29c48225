"""One policy with ports of a backtest: a store, a row log and a workspace of its own, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.backtest.ahead import AheadScorer
from ctrain.backtest.clock import VirtualClock, VirtualTimer
from ctrain.backtest.history import History, RevealedSource
from ctrain.backtest.launcher import Trains, VirtualLauncher
from ctrain.backtest.registry import MemoryRegistry
from ctrain.backtest.scorer import PatientScorer
from ctrain.backtest.silence import NoMetrics, Silence, WithoutPictures
from ctrain.domain import PolicyName
from ctrain.engine.reading import TickReads
from ctrain.engine.watch import Watch
from ctrain.policy.files import policy_identity
from ctrain.rows import ParquetRowLogs
from ctrain.rows.workspace import FolderWorkspace
from ctrain.sources.opening import FileSources

if TYPE_CHECKING:
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Analyst, Scorer, Store

HELD_BYTES = 256 * 2**20
"""Of the row log, in memory; the rest is written to files."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works for all strategies: children that train, score and analyse."""

    trainer: Trains
    scorer: Scorer
    open_analyst: Callable[[Path], Analyst]
    """One for each strategy: it answers questions on tables of a workspace, whose folder it is given."""
    redact: Callable[[str], str] = str
    """Takes secrets of the environment out of what is recorded."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A watch and the ports of it that the backtest moves or asks."""

    watch: Watch
    clock: VirtualClock
    registry: MemoryRegistry
    launcher: VirtualLauncher
    analyst: WithoutPictures

    @property
    def working(self) -> bool:
        """True while a child is at work."""
        return self.launcher.working or self.analyst.working

    def take_ended(self) -> bool:
        """True when a child has ended its work since the last look."""
        ended = [port.take_ended() for port in (self.launcher, self.analyst)]
        return any(ended)


def set_stage(
    folder: Path,
    store: Store,
    loaded: LoadedPolicy,
    history: History,
    crew: Crew,
    now: datetime,
    training_time: timedelta | None,
) -> Stage:
    """Return an empty stage in ``folder``, at ``now``; ``store`` is its own."""
    policy, clock = loaded.policy, VirtualClock(now)
    name, registry = PolicyName(policy.policy), MemoryRegistry()
    launcher = VirtualLauncher(crew.trainer, registry, clock, training_time)
    scorer = AheadScorer(PatientScorer(crew.scorer, folder.name), history.known)
    analyst = WithoutPictures(crew.open_analyst(folder / "runs"))
    row_logs = ParquetRowLogs(folder / "rows", store, HELD_BYTES)
    with store.write() as tx:
        tx.save_policy(name, loaded.hash, str(loaded.path), policy_identity(policy), now)
        tx.set_paused(name, True)
    watch = Watch(
        loaded=loaded,
        store=TickReads(store, alone=True),
        registry=registry,
        launcher=launcher,
        scorer=scorer,
        analyst=analyst,
        workspace=FolderWorkspace(folder / "runs"),
        telemetry=Silence(),
        clock=clock,
        timer=VirtualTimer(clock),
        row_log=row_logs.open(name, policy.data, policy.model.task),
        rows_source=RevealedSource(history.rows, clock),
        labels_source=RevealedSource(history.labels, clock),
        reference_file=FileSources().open_reference(policy, loaded.folder),
        metric_server=NoMetrics(),
        parse_snapshot=lambda _text, _path: loaded,
        registry_poll_seconds=0.0,
        scores_early=True,
        watched_since=now,
        forgets=False,
        redact=crew.redact,
    )
    return Stage(watch, clock, registry, launcher, analyst)

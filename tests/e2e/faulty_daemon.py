"""``ctrain run`` with one thing that happens at one point: the daemon is killed, or somebody moves an alias.

The shell is the one of ``ctrain run``; a port is wrapped around the store, the registry or the launcher,
and calls the fault when its point is reached for the n-th time. Run as
``python -m tests.e2e.faulty_daemon POINT COUNT ACT POLICY --home DIR --listen HOST:PORT``, where ACT is
``kill`` or ``champion=VERSION``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ctrain.app.daemon import Daemon
from ctrain.app.wiring import Shell, load_fleet, open_shell, open_telemetry
from ctrain.domain import Json, Phase, Run, RunId, Segment, SegmentKind, TrainingJob, Version
from ctrain.ports import Launcher, Registry, Store, Transaction
from ctrain.settings import Settings

ROWS_WRITTEN = "rows-written"
"""Segments of rows are on the disk, the transaction that names them is open."""
ROWS_COMMITTED = "rows-committed"
"""That transaction is committed, the row log has not adopted the segments."""
TRAINING_STARTED = "training-started"
TRAINED = "trained"
"""What a finished training has found is about to be committed."""
BEFORE_PREVIOUS = "before-previous-alias"
AFTER_PREVIOUS = "after-previous-alias"
DIGEST_READ = "digest-read"
"""The artifact has been verified; the alias is read once more after this, and then written."""
AFTER_CHAMPION = "after-champion-alias"
PROBATION_POINT = "probation-point"
"""A block of the probation is being committed."""
KILL = "kill"


@dataclass
class Fault:
    """Something that happens once, when ``point`` is reached for the ``count``-th time."""

    point: str
    count: int
    act: Callable[[], None]

    def reach(self, point: str) -> None:
        if point == self.point:
            self.count -= 1
            if self.count == 0:
                self.act()


class Around:
    """Everything that is not said otherwise is done by the port inside."""

    def __init__(self, inner: Any, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class FaultyTransaction(Around):
    wrote_rows = False

    def add_segments(self, segments: Iterable[Segment]) -> None:
        added = list(segments)
        self._inner.add_segments(added)
        if any(one.kind is SegmentKind.ROWS for one in added):
            self.wrote_rows = True
            self._fault.reach(ROWS_WRITTEN)

    def save_run(self, run: Run, *, expected: Phase) -> None:
        self._inner.save_run(run, expected=expected)
        if (expected, run.phase) == (Phase.TRAINING, Phase.EVALUATING):
            self._fault.reach(TRAINED)

    def add_comparison_point(self, run_id: RunId, phase: Phase, at: Any, point: Json) -> None:
        self._inner.add_comparison_point(run_id, phase, at, point)
        if phase is Phase.PROBATION:
            self._fault.reach(PROBATION_POINT)


class FaultyStore(Around):
    def write(self) -> AbstractContextManager[Transaction]:
        return self._write()

    @contextmanager
    def _write(self) -> Iterator[Transaction]:
        with self._inner.write() as inner:
            tx = FaultyTransaction(inner, self._fault)
            yield cast(Transaction, tx)
        if tx.wrote_rows:
            self._fault.reach(ROWS_COMMITTED)


class FaultyRegistry(Around):
    def set_alias(self, model: str, alias: str, version: Version) -> None:
        if alias == "previous_champion":
            self._fault.reach(BEFORE_PREVIOUS)
        self._inner.set_alias(model, alias, version)
        if alias == "previous_champion":
            self._fault.reach(AFTER_PREVIOUS)
        if alias == "champion":
            self._fault.reach(AFTER_CHAMPION)

    def digest(self, model: str, version: Version) -> str:
        found: str = self._inner.digest(model, version)
        self._fault.reach(DIGEST_READ)
        return found


class FaultyLauncher(Around):
    def start(self, job: TrainingJob) -> None:
        self._inner.start(job)
        self._fault.reach(TRAINING_STARTED)


def with_fault(shell: Shell, fault: Fault) -> Shell:
    """The shell with the ports that have points wrapped."""
    return replace(
        shell,
        store=cast(Store, FaultyStore(shell.store, fault)),
        registry=cast(Registry, FaultyRegistry(shell.registry, fault)),
        launcher=cast(Launcher, FaultyLauncher(shell.launcher, fault)),
    )


def what_happens(act: str, shell: Shell, model: str) -> Callable[[], None]:
    """Kill this process, or point the champion alias elsewhere as any client of MLflow can."""
    if act == KILL:
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    alias, _, version = act.partition("=")
    return lambda: shell.registry.set_alias(model, alias, Version(version))


def main(point: str, count: str, act: str, policy: str, home: str, listen: str) -> None:
    fleet = load_fleet([Path(policy)], os.environ)
    telemetry = open_telemetry(os.environ)
    shell = open_shell(Settings.load(Path(home), os.environ), telemetry)
    fault = Fault(point, int(count), what_happens(act, shell, fleet[0].policy.model.name))
    Daemon(with_fault(shell, fault), fleet, [Path(policy)], listen, telemetry).run()


if __name__ == "__main__":
    main(*(word for word in sys.argv[1:] if word not in {"--home", "--listen"}))

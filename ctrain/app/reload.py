"""Policies that change while the daemon runs: a valid change takes effect, an invalid one is refused.

The last good version of every policy stays in force until a better one can be read. A run keeps the
policy that it was started with; removing a file cancels a run that has not reached PROMOTING, and a
later one is finished first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.wiring import load_fleet
from ctrain.domain import Phase, PolicyName, Request, RequestKind, Run
from ctrain.engine.requests import answer_requests
from ctrain.errors import CtrainError, InputError, PolicyError, StateConflict

if TYPE_CHECKING:
    from ctrain.app.ticks import TickLoop
    from ctrain.engine.watch import Watch
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Store, Telemetry

FINISHED_FIRST = frozenset({Phase.PROMOTING, Phase.PROBATION, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED})

Stamp = tuple[tuple[str, int, int], ...]


class PolicyFiles:
    """Tells when policy files have been touched."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._stamp = self._look()

    def touched(self) -> bool:
        """True once after each change on disk."""
        stamp = self._look()
        changed = stamp != self._stamp
        self._stamp = stamp
        return changed

    def load(self, environ: Mapping[str, str]) -> list[LoadedPolicy]:
        """The policies as they are on disk now; raises PolicyError or InputError."""
        return load_fleet([path for path in self._paths if path.exists()], environ)

    def _look(self) -> Stamp:
        files = [
            file
            for path in self._paths
            for file in (sorted(path.glob("*.y*ml")) if path.is_dir() else [path])
            if file.exists()
        ]
        stats = [(str(file), file.stat()) for file in files]
        return tuple((name, found.st_mtime_ns, found.st_size) for name, found in stats)


class Reloader:
    """Brings the policies under watch in line with the files."""

    def __init__(
        self,
        files: PolicyFiles,
        loop: TickLoop,
        store: Store,
        telemetry: Telemetry,
        open_watch: Callable[[LoadedPolicy], Watch],
        watches: Mapping[PolicyName, Watch],
    ) -> None:
        self._files = files
        self._loop = loop
        self._store = store
        self._telemetry = telemetry
        self._open_watch = open_watch
        self._watches = dict(watches)
        self._leaving: set[PolicyName] = set()

    def look(self) -> None:
        """Take over what has changed on disk since the last look."""
        if self._files.touched():
            self._reload()
        for name in list(self._leaving):
            self._let_go(name)

    def _reload(self) -> None:
        try:
            fleet = self._files.load(os.environ)
        except (PolicyError, InputError) as error:
            self._telemetry.gauge("config_last_reload_successful", 0.0)
            self._telemetry.log("reload_refused", message=str(error))
            return
        refused = [one for one in fleet if not self._take_over(one)]
        for name in self._watches.keys() - {PolicyName(one.policy.policy) for one in fleet}:
            self._leaving.add(name)
        self._telemetry.gauge("config_last_reload_successful", float(not refused))

    def _take_over(self, loaded: LoadedPolicy) -> bool:
        name = PolicyName(loaded.policy.policy)
        self._leaving.discard(name)
        known = self._watches.get(name)
        if known is not None and known.loaded.hash == loaded.hash:
            return True
        try:
            watch = self._open_watch(loaded)
        except (StateConflict, CtrainError) as error:
            self._telemetry.log("reload_refused", policy=name, message=str(error))
            return False
        self._loop.watch(watch)
        self._watches[name] = watch
        self._telemetry.log("policy_reloaded", policy=name, hash=loaded.hash)
        return True

    def _let_go(self, name: PolicyName) -> None:
        """Stop watching a policy whose file is gone, once nothing of it is half done."""
        watch = self._watches[name]
        with self._store.read() as tx:
            run = tx.active_run(name)
        if run is not None and run.phase in FINISHED_FIRST:
            return
        self._loop.forget(name)
        del self._watches[name]
        self._leaving.discard(name)
        if run is not None:
            self._cancel(watch, run)
        self._telemetry.log("policy_removed", policy=name)

    def _cancel(self, watch: Watch, run: Run) -> None:
        reason = {"run": run.id, "reason": "its policy file was removed"}
        with self._store.write() as tx:
            tx.add_request(Request(0, watch.name, RequestKind.CANCEL, "ctrain", watch.clock.now(), reason))
        answer_requests(watch)

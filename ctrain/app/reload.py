"""Policies that change while the daemon runs: a valid change takes effect, an invalid one is refused.

The last good version of every policy stays in force until a better one can be read. A run keeps the
policy that it was started with; removing a file cancels a run that has not reached PROMOTING, and a
later one is finished first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ctrain.app.removing import tell_let_go
from ctrain.domain import Phase, PolicyName, Request, RequestKind, Run
from ctrain.engine.requests import answer_requests
from ctrain.engine.troubles import POLICY_ACCEPTED, POLICY_REFUSED, begin_trouble, end_trouble
from ctrain.errors import CtrainError, FencedOff, InputError, PolicyError, TransientError
from ctrain.policy.files import SUFFIXES
from ctrain.policy.fleet import load_fleet

if TYPE_CHECKING:
    from ctrain.app.ticks import TickLoop
    from ctrain.engine.watch import Watch
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Store, Telemetry

FINISHED_FIRST = frozenset({Phase.PROMOTING, Phase.PROBATION, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED})

Stamp = tuple[tuple[str, int, int], ...]


class PolicyFiles:
    """Tells when policy files have been touched."""

    def __init__(self, paths: Sequence[Path], known: Iterable[LoadedPolicy] = ()) -> None:
        """``known`` are policies as they were read from these files before."""
        self._paths = [path.absolute() for path in paths]
        self._known = {one.path: one for one in known}
        self.folders = frozenset(path if path.is_dir() else path.parent for path in self._paths)
        self._stamp: Stamp | None = None

    def touched(self) -> bool:
        """True at the first look, and once after each change on disk."""
        stamp = self._look()
        changed = stamp != self._stamp
        self._stamp = stamp
        return changed

    def look_again(self) -> None:
        """Count as touched at the next look, whatever is on disk."""
        self._stamp = None

    def load(self, environ: Mapping[str, str]) -> list[LoadedPolicy]:
        """The policies as they are on disk now, none when all files were removed.

        Of a file that says what it said before the policy is the same object.

        Raises
        ------
        PolicyError
            when a file is not valid.
        InputError
            when a folder is not there: that is an accident, not somebody who removes a policy.
        """
        for folder in sorted(self.folders):
            if not folder.is_dir():
                raise InputError(f"{folder}: the folder of the policies is gone")
        files = self._files()
        fleet = load_fleet(files, environ, self._known) if files else []
        self._known = {one.path: one for one in fleet}
        return fleet

    def _files(self) -> list[Path]:
        found = [
            file
            for path in self._paths
            for file in (sorted(path.iterdir()) if path.is_dir() else [path])
            if file == path or file.suffix in SUFFIXES
        ]
        return [file for file in found if file.is_file()]

    def _look(self) -> Stamp:
        stats = [(str(file), file.stat()) for file in self._files()]
        there = ((str(folder), 0, 0) for folder in sorted(self.folders) if folder.is_dir())
        return (*there, *((name, found.st_mtime_ns, found.st_size) for name, found in stats))


def problems_of_file(path: Path, problems: Iterable[str]) -> str:
    """Those that are the file's, which each of them names first; empty when it has none."""
    own = [one for one in problems if one.startswith(f"{path}:")]
    return "; ".join(f"{path.name}{one.removeprefix(str(path))}" for one in own)


class Wanted(Protocol):
    """Who decides which of the policies are watched here, and opens them."""

    def want(self, fleet: Sequence[LoadedPolicy]) -> None:
        """From now on these are the policies that have files."""


class Reloader:
    """Brings the policies under watch in line with the files."""

    def __init__(
        self,
        files: PolicyFiles,
        loop: TickLoop,
        store: Store,
        telemetry: Telemetry,
        open_watch: Callable[[LoadedPolicy], Watch],
        holdings: Wanted | None = None,
        removed: Callable[[PolicyName], None] = lambda _: None,
    ) -> None:
        """Without ``holdings`` every policy is watched here; ``removed`` is told whose file is gone."""
        self._files = files
        self._loop = loop
        self._store = store
        self._telemetry = telemetry
        self._open_watch = open_watch
        self._holdings = holdings
        self._removed = removed
        self._missing: set[PolicyName] = set()
        self._refused: set[PolicyName] = set()
        self._accepted: set[PolicyName] = set()
        """Policies of which the last reading left no refusal on record."""
        self._readable = False
        self.problem = ""
        """What was wrong with the files when they were read last; empty: nothing."""

    def look_again(self) -> None:
        """Read the files at the next look, whether or not they were touched."""
        self._files.look_again()

    def look(self) -> None:
        """Take over what has changed on disk since the last look.

        A file counts as removed when two looks in a row miss it: an editor may put a new one in its place.
        """
        if self._files.touched():
            self._reload()
        else:
            missing, self._missing = self._missing, set()
            self.leave(missing)
        self._tell_accepted()

    def leave(self, names: Iterable[PolicyName]) -> None:
        """Stop watching policies that have no file any more, each once nothing of it is half done."""
        for name in sorted(names):
            watch = self._loop.watched.get(name)
            if watch is not None:
                self._loop.let_go(name, partial(self._done_with, watch))

    def _reload(self) -> None:
        try:
            fleet = self._files.load(os.environ)
        except (PolicyError, InputError) as error:
            self._telemetry.gauge("config_last_reload_successful", 0.0)
            self._telemetry.log("reload_refused", message=str(error))
            self.problem = str(error)
            self._readable = False
            self._missing = set()  # what the last look missed may be among what cannot be read now
            self._tell_refused(error)
            return
        self.problem, self._readable = "", True
        self._refused, self._accepted = set(), set()
        if self._holdings is not None:
            self._holdings.want(fleet)
        refused = [one for one in fleet if not self._take_over(one)]
        self._missing = self._loop.watched.keys() - {PolicyName(one.policy.policy) for one in fleet}
        self._telemetry.gauge("config_last_reload_successful", float(not refused))

    def _take_over(self, loaded: LoadedPolicy) -> bool:
        name = PolicyName(loaded.policy.policy)
        known = self._loop.watched.get(name)
        if known is None and self._holdings is not None:
            return True  # it is taken when its turn comes, here or by another daemon
        if known is not None and (known.loaded.hash, known.loaded.path) == (loaded.hash, loaded.path):
            self._loop.keep(name)
            return True
        try:
            self._loop.watch(name, partial(self._open_watch, loaded))
        except CtrainError as error:
            self._telemetry.log("reload_refused", policy=name, path=str(loaded.path), message=str(error))
            self.problem = "\n".join(filter(None, (self.problem, f"{loaded.path}: {error}")))
            if isinstance(error, TransientError | FencedOff):
                self._files.look_again()
            elif known is not None:
                self._tell_one_refused(known, f"{loaded.path.name}: {error}")
            return False
        self._telemetry.log("policy_reloaded", policy=name, path=str(loaded.path), hash=loaded.hash)
        return True

    def _tell_refused(self, error: CtrainError) -> None:
        """Put on record, with each policy whose file has problems, what they are."""
        problems = error.problems if isinstance(error, PolicyError) else ()
        for watch in self._loop.watched.values():
            own = problems_of_file(watch.loaded.path, problems)
            if own:
                self._tell_one_refused(watch, own)

    def _tell_one_refused(self, watch: Watch, message: str) -> None:
        self._refused.add(watch.name)
        if not self._told(watch, partial(begin_trouble, watch, POLICY_REFUSED, POLICY_ACCEPTED, message)):
            self._files.look_again()

    def _tell_accepted(self) -> None:
        """Put on record which refusals are over, also those that another daemon has put there."""
        watched = self._loop.watched
        self._accepted &= watched.keys()
        fresh = watched.keys() - self._refused - self._accepted
        if not (fresh and self._readable):
            return
        with self._store.read() as tx:
            told = {one.policy for one in tx.trouble_lines() if one.kind == POLICY_REFUSED}
        message = "the policy's file is valid again"
        for name in sorted(fresh & told):
            watch = watched[name]
            if not self._told(watch, partial(end_trouble, watch, POLICY_REFUSED, POLICY_ACCEPTED, message)):
                fresh.discard(name)
        self._accepted |= fresh

    def _told(self, watch: Watch, tell: Callable[[], bool]) -> bool:
        """False when it cannot be put on record now; it is tried again, and nothing else waits for it."""
        try:
            tell()
        except CtrainError as error:
            self._telemetry.log("trouble_record_failed", policy=watch.name, message=str(error))
            return False
        return True

    def _done_with(self, watch: Watch) -> bool:
        """True when the policy can be let go; cancels a run that has not gone too far for it.

        One that goes too far at this moment, because a person has approved it, is finished first.
        """
        run = self._active(watch)
        if run is not None and run.phase not in FINISHED_FIRST:
            self._cancel(watch, run)
            run = self._active(watch)
        if run is not None:
            return False
        tell_let_go(watch)
        self._telemetry.log("policy_removed", policy=watch.name)
        self._telemetry.remove_policy(watch.name)
        self._removed(watch.name)
        return True

    def _active(self, watch: Watch) -> Run | None:
        with self._store.read() as tx:
            return tx.active_run(watch.name)

    def _cancel(self, watch: Watch, run: Run) -> None:
        reason = {"run": run.id, "reason": "its policy file was removed"}
        with self._store.write() as tx:
            watch.fence(tx)
            tx.add_request(Request(0, watch.name, RequestKind.CANCEL, "ctrain", watch.clock.now(), reason))
        answer_requests(watch)

"""The policies of this daemon among those that others watch: taken, kept, given away, lost.

Two threads of the daemon come here. One beats: it prolongs the leases, and finds out which were lost. The
other balances: it takes what nobody watches, and gives away what is too much. Neither waits for a tick.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ctrain.app.lease import is_here
from ctrain.app.refusing import tell_refused
from ctrain.app.spreading import Share, Sight, assess_share
from ctrain.domain import PolicyName
from ctrain.domain.leases import policy_lease
from ctrain.errors import CtrainError, FencedOff, TransientError

if TYPE_CHECKING:
    from ctrain.app.lease import DaemonLeases, Held
    from ctrain.app.ticks import TickLoop
    from ctrain.app.wiring import Shell
    from ctrain.engine.watch import Watch
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Telemetry

NOBODY_YET = ""
"""In the place of the holder of a policy that is on its way from here."""
RECENT_RUNS = 3
"""Of a policy: older ones have no training any more."""
LEFTOVER_PATIENCE = 3
"""In lengths of a lease: so long a policy without a file here may be somebody else's who comes back."""


class Holdings:
    """What this daemon watches, by its leases."""

    def __init__(
        self,
        shell: Shell,
        leases: DaemonLeases,
        loop: TickLoop,
        open_watch: Callable[[LoadedPolicy, tuple[str, int]], Watch],
        leftovers: Callable[[Collection[PolicyName]], dict[PolicyName, LoadedPolicy]],
    ) -> None:
        """``leftovers`` finds policies, other than those it is given, of which a run is half done."""
        self._shell = shell
        self._leases = leases
        self._loop = loop
        self._open_watch = open_watch
        self._find_leftovers = leftovers
        self._fleet: dict[PolicyName, LoadedPolicy] = {}
        self._leftovers: dict[PolicyName, LoadedPolicy] = {}
        self.refused: dict[PolicyName, str] = {}
        """Policies that cannot be watched while their files are as they are, and why."""
        self._tokens: dict[PolicyName, int] = {}
        self._daemons: frozenset[str] = frozenset()
        self._free_since: dict[PolicyName, float] = {}
        self._kept: set[PolicyName] = set()
        self._going: deque[PolicyName] = deque()
        """On their way to be given back."""
        self._changing = threading.RLock()
        """Held while leases change, so that none is taken back that is being given away."""
        self._balancing = threading.Lock()
        self.leave: Callable[[Iterable[PolicyName]], None] = lambda _: None
        """Told of policies that have no file any more."""
        self.tell_refused = partial(tell_refused, shell)

    def want(self, fleet: Sequence[LoadedPolicy]) -> None:
        """From now on these are the policies that have files."""
        self._fleet = {PolicyName(one.policy.policy): one for one in fleet}
        self.refused.clear()

    @property
    def missing(self) -> set[PolicyName]:
        """Policies with a file that are not watched here."""
        return self._fleet.keys() - self._loop.watched.keys()

    def open(self, loaded: LoadedPolicy) -> Watch:
        """The watch of a policy that is held; what gauges said of it before its file changed is gone."""
        name = PolicyName(loaded.policy.policy)
        watch = self._open_watch(loaded, (policy_lease(name), self._tokens.get(name, 0)))
        self._shell.telemetry.begin_policy(name)
        self._shell.telemetry.gauge("leader", 1.0, policy=name)
        return watch

    def beat(self) -> None:
        """Prolong the leases; a policy that was lost ticks no more, and the daemon goes on."""
        with self._changing:
            self._tokens = self._leases.beat(self._tokens.keys())
        self._compare()

    def _compare(self) -> None:
        """Bring what ticks in line with the leases, whoever noticed that one was lost or won again."""
        for name, token in self._loop.tokens.items():
            found = self._tokens.get(name)
            if name in self._loop.parting:
                continue
            if found == token + 1:
                self._loop.hold(name, (policy_lease(name), found))
                self._shell.telemetry.log("lease_won_again", policy=name, fence=found)
            elif found != token:
                # Won again after somebody else had it, it is opened anew: what is remembered may be old.
                self._loop.part(name, partial(self._lost, name))

    def balance(self, *, first: bool = False) -> None:
        """Take what is free and give away what is too much; the ``first`` time a fault is raised."""
        with self._balancing:
            held = self._leases.look()
            self._take_note(held, first=first)
            wanted = self._wanted()
            share = self._assess(held, wanted)
            self._give_away(share.give)
            if share.take:
                with self._changing:
                    self._tokens |= self._leases.take(share.take)
                self._compare()
                self._kept |= self._orphans(share.take, self._lease_seconds)
            self._open_held(wanted, first=first)
            if not first and (share.give or share.take):
                self._shell.telemetry.log("policies_moved", taken=list(share.take), given=list(share.give))

    def _wanted(self) -> dict[PolicyName, LoadedPolicy]:
        return {**self._leftovers, **self._fleet}

    @property
    def _lease_seconds(self) -> float:
        return self._shell.settings.lease.total_seconds()

    def _take_note(self, held: Held, *, first: bool) -> None:
        """Who is there, and since when nobody watches what."""
        if held.daemons != self._daemons:
            self._daemons, self._kept = held.daemons, set()
            self._shell.telemetry.gauge("daemons", len(held.daemons))
        unheld = self._find_leftovers(self._fleet.keys() | held.holders.keys())
        now = self._shell.timer.monotonic()
        free = (self._fleet.keys() - held.holders.keys()) | unheld.keys()
        self._free_since = {name: self._free_since.get(name, now) for name in free}
        ripe = self._orphans(unheld, LEFTOVER_PATIENCE * self._lease_seconds)
        alone = first and held.daemons <= {self._leases.holder}
        mine = {name: one for name, one in self._leftovers.items() if name in self._loop.watched}
        self._leftovers = mine | {name: one for name, one in unheld.items() if alone or name in ripe}

    def _orphans(self, names: Iterable[PolicyName], patience_seconds: float) -> set[PolicyName]:
        """Those that nobody has watched for so long."""
        now = self._shell.timer.monotonic()
        return {name for name in names if now - self._free_since.get(name, now) >= patience_seconds}

    def _assess(self, held: Held, wanted: Mapping[PolicyName, LoadedPolicy]) -> Share:
        sight = Sight(
            me=self._leases.holder,
            daemons=held.daemons,
            wanted=wanted.keys() - self.refused.keys(),
            holders={**held.holders, **dict.fromkeys(self._loop.parting, NOBODY_YET)},
            orphans=self._orphans(wanted, self._lease_seconds),
            kept=self._kept,
        )
        share = assess_share(sight)
        return assess_share(replace(sight, busy=self._busy(sight))) if share.give else share

    def _busy(self, sight: Sight) -> set[PolicyName]:
        """Policies of this daemon with a run under way."""
        mine = [name for name, holder in sight.holders.items() if holder == sight.me]
        with self._shell.store.read() as tx:
            return {name for name in mine if tx.active_run(name) is not None}

    def _give_away(self, names: Collection[PolicyName]) -> None:
        """Leave policies, and what there is to tell of them, to others; each after its present tick."""
        free = {name for name in names if self._loop.forget_if_free(name)}
        for name in sorted(set(names) - free):
            self._loop.part(name, partial(self._let_others_have, [name]))
        self._let_others_have(free)

    def _let_others_have(self, names: Collection[PolicyName]) -> None:
        for name in names:
            self._shell.channels.forget(name)
        self._give_back(names)

    def _give_back(self, names: Collection[PolicyName]) -> None:
        """In one transaction with what others give back meanwhile: beats wait until it is over."""
        self._going.extend(names)
        with self._changing:
            going = [self._going.popleft() for _ in range(len(self._going))]
            for name in going:
                self._tokens.pop(name, None)
            if going:
                self._leases.give_back(going)
        for name in names:
            self._shell.telemetry.remove_policy(name)

    def _open_held(self, wanted: dict[PolicyName, LoadedPolicy], *, first: bool) -> None:
        """Watch what is held and is not watched yet; give back what nobody wants any more."""
        settled = self._loop.watched.keys() | self._loop.parting  # before the tokens: they go last
        unsettled = self._tokens.keys() - settled
        usable = wanted.keys() - self.refused.keys()
        self._give_back(unsettled - usable)
        for name in sorted(unsettled & usable):
            self._open(name, wanted[name], first=first)
        self._shell.telemetry.gauge("policies_held", len(self._loop.watched))

    def _open(self, name: PolicyName, loaded: LoadedPolicy, *, first: bool) -> None:
        try:
            self._loop.watch(name, partial(self.open, loaded))
        except CtrainError as error:
            won_again = isinstance(error, FencedOff)
            refused = not (won_again or isinstance(error, TransientError)) and self._still_held(name)
            if refused:
                self.tell_refused(loaded, (policy_lease(name), self._tokens[name]), str(error))
            if first and name in self._fleet and not won_again:
                raise
            kind = "policy_refused" if refused else "policy_not_opened"
            self._shell.telemetry.log(kind, policy=name, path=str(loaded.path), message=str(error))
            if refused:
                self.refused[name] = f"{loaded.path}: {error}"
                self._give_back([name])
                self._shell.telemetry.gauge("config_last_reload_successful", 0.0)
            return
        if name not in self._fleet:
            self.leave([name])

    def _still_held(self, name: PolicyName) -> bool:
        """False when the policy went to another daemon while it was being opened."""
        with self._shell.store.read() as tx:
            holder = tx.lease_holder(policy_lease(name), tx.database_now())
        return name in self._tokens and holder == self._leases.holder

    def _lost(self, name: PolicyName) -> None:
        """What is left to do about a policy that another daemon has: nothing of it may go on here."""
        telemetry = self._shell.telemetry
        telemetry.remove_policy(name)
        with self._shell.store.read() as tx:
            holder = tx.lease_holder(policy_lease(name), tx.database_now())
            runs = tx.runs(name, limit=RECENT_RUNS)
        if holder not in {None, self._leases.holder}:
            self._shell.channels.forget(name)
        killed = 0
        if holder is not None and not is_here(holder):  # on this machine the other one goes on with them
            lose: Callable[[str], int] = getattr(self._shell.launcher, "lose", lambda _: 0)
            killed = sum(lose(str(self._shell.settings.runs_folder / one.id)) for one in runs)
        telemetry.log("lease_lost", policy=name, holder=holder or "nobody", trainings_killed=killed)


class Heartbeat:
    """Calls ``beat`` on a thread of its own, which nothing else holds up, until it is stopped."""

    def __init__(self, beat: Callable[[], None], every_seconds: float, telemetry: Telemetry) -> None:
        self._beat = beat
        self._telemetry = telemetry
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when no beat is under way any more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001  # a database that is away must not end the beats
                self._telemetry.log("heartbeat_failed", message=str(error), traceback=traceback.format_exc())

"""The daemon's loop: every policy ticks on its own, one broad net around each tick.

A tick schedules the policy's next one: at once while there is work, a little later while a child is
busy, after the tick interval when all is quiet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.app.fault_net import BUSY_DELAY, FaultNet
from ctrain.app.stillness import STREAM_DELAY, Stillness
from ctrain.app.ticker import Ticker, tell_lateness
from ctrain.app.vitals import Vitals
from ctrain.engine.pace import SHORT_PANE
from ctrain.engine.rest import awaited
from ctrain.engine.tick import Ticked, tick

if TYPE_CHECKING:
    from ctrain.app.faltering import Faltering
    from ctrain.clocks import Setting
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch
    from ctrain.ports import Clock, Telemetry, Timer


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a policy ticks and how long the daemon's lease lasts without renewal."""

    tick: timedelta
    lease: timedelta


class TickLoop:
    """Ticks every watch until stopped; ``healthy`` and ``ready`` tell how it goes."""

    def __init__(
        self,
        watches: Mapping[PolicyName, Watch],
        clock: Clock,
        timer: Timer,
        telemetry: Telemetry,
        rhythm: Rhythm,
        faltering: Faltering | None = None,
    ) -> None:
        self._watches = dict(watches)
        self._timer = timer
        self._rhythm = rhythm
        self._stillness = Stillness(clock)
        self._busy: set[PolicyName] = set()
        self._vitals = Vitals(timer, telemetry, rhythm.tick)
        self._leaving: dict[PolicyName, Callable[[], bool]] = {}
        self._parting: dict[PolicyName, Callable[[], None]] = {}
        self._leases: dict[PolicyName, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._turns: dict[PolicyName, threading.Lock] = {}
        self._tell_lateness = tell_lateness(telemetry, rhythm.tick)
        self._ticker = Ticker(timer, self._began, self._is_urgent)
        self._faltering = faltering
        self._net = FaultNet(telemetry, rhythm.tick, self._faulted)

    def start(self) -> None:
        """Give every policy its first tick now."""
        self._ticker.start()
        for name in self._watches:
            self._vitals.looked_after(name)
            self._ticker.after(timedelta(0), name, self._tick)

    def every(self, interval: timedelta, call: Callable[[], None]) -> None:
        """Also call ``call`` every ``interval`` of real time, however busy policies are."""
        self._ticker.every(interval, lambda: self._net.upkeep(call))

    def wake(self, name: PolicyName) -> None:
        """Tick this policy soon: something of it may have come; not while it waits for more anyway."""
        watch = self._watches.get(name)
        if watch is not None and not awaited(watch):
            self._ticker.wake(name, self._tick)

    @property
    def watched(self) -> Mapping[PolicyName, Watch]:
        """The policies that tick now."""
        return dict(self._watches)

    @property
    def tokens(self) -> Mapping[PolicyName, int]:
        """The fencing tokens under which the policies will write from their next ticks on."""
        leases = {name: self._leases.get(name, watch.lease) for name, watch in dict(self._watches).items()}
        return {name: lease[1] for name, lease in leases.items() if lease is not None}

    @property
    def parting(self) -> set[PolicyName]:
        """Policies whose present tick is their last one here."""
        return set(self._parting)

    def watch(self, name: PolicyName, open_watch: Callable[[], Watch]) -> None:
        """Tick a new watch of this policy from now on; it replaces the old one.

        It is opened between two ticks: a new row log beside one that is being written would take
        files that are not committed yet for orphans.
        """
        with self._turn(name):
            self._watches[name] = open_watch()
            self._vitals.looked_after(name)
            self._leaving.pop(name, None)
            self._parting.pop(name, None)
            self._leases.pop(name, None)
            self._stillness.forget(name)
        self._ticker.after(timedelta(0), name, self._tick)

    def keep(self, name: PolicyName) -> None:
        """Do not let this policy go after all."""
        self._leaving.pop(name, None)

    def hold(self, name: PolicyName, lease: tuple[str, int]) -> None:
        """Write under this lease from the policy's next tick on; one under way is refused as stale."""
        self._leases[name] = lease

    def part(self, name: PolicyName, afterwards: Callable[[], None]) -> None:
        """Tick this policy no more after its present tick, then call ``afterwards``; wait for nothing."""
        self._parting[name] = afterwards
        self._part_if_free(name)

    def _part_if_free(self, name: PolicyName) -> None:
        """Let it part unless somebody has its turn, who does so when it is over."""
        turn = self._lock_of(name)
        while name in self._parting and turn.acquire(blocking=False):
            try:
                self._part_now(name)
            finally:
                turn.release()

    def _part_now(self, name: PolicyName) -> None:
        """It counts as parting until ``afterwards`` is done."""
        afterwards = self._parting.get(name)
        if afterwards is not None:
            self._drop(name)
            self._net.upkeep(afterwards)
            if self._parting.get(name) is afterwards:
                del self._parting[name]

    def let_go(self, name: PolicyName, done: Callable[[], bool]) -> None:
        """Tick this policy no more once ``done()`` holds: asked now, and after each of its ticks.

        Also after one that failed: a run that cannot be moved on must not keep its policy for ever.
        """
        with self._turn(name):
            self._leaving[name] = done
            self._net.guarded(name, lambda: self._leave_when_done(name))

    def forget(self, name: PolicyName) -> None:
        """Tick this policy no more."""
        with self._turn(name):
            self._drop(name)

    def forget_if_free(self, name: PolicyName) -> bool:
        """Tick this policy no more, unless its tick is under way: then nothing changes, and this is False."""
        turn = self._lock_of(name)
        free = turn.acquire(blocking=False)
        if free:
            try:
                self._drop(name)
            finally:
                turn.release()
            self._part_if_free(name)
        return free

    def _leave_when_done(self, name: PolicyName) -> timedelta:
        done = self._leaving.get(name)
        if done is not None and name in self._watches:
            self._take_lease(self._watches[name])
            if done():
                self._drop(name)
        return self._rhythm.tick

    def _drop(self, name: PolicyName) -> None:
        watch = self._watches.pop(name, None)
        if watch is not None:
            watch.pace.forget(name)
        self._leaving.pop(name, None)
        self._vitals.forget(name)
        self._stillness.forget(name)
        self._leases.pop(name, None)
        self._busy.discard(name)
        self._net.forget(name)
        if self._faltering is not None:
            self._faltering.forget(name)

    @contextmanager
    def _turn(self, name: PolicyName) -> Iterator[None]:
        """Held while a policy ticks or changes; whoever was asked to part meanwhile does so at its end."""
        try:
            with self._lock_of(name):
                yield
        finally:
            self._part_if_free(name)

    def _lock_of(self, name: PolicyName) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(name, threading.Lock())

    def stop(self) -> None:
        """Let the ticks under way finish, and start no more."""
        self._ticker.stop()

    @property
    def ready(self) -> bool:
        """Every policy has ticked at least once."""
        return self._vitals.have_ticked(self._watches)

    @property
    def healthy(self) -> bool:
        """No policy has gone without a successful tick for long."""
        return self._vitals.healthy

    @property
    def alive(self) -> bool:
        """No tick hangs."""
        return self._vitals.alive

    def _began(self, name: PolicyName, late: float) -> None:
        self._tell_lateness(late)
        watch = self._watches.get(name)
        if watch is not None and self._vitals.have_ticked([name]):  # at the beginning all are due at once
            watch.pace.began(late)

    def _is_urgent(self, name: PolicyName) -> bool:
        watch = self._watches.get(name)
        return watch is not None and watch.policy.data.pane <= SHORT_PANE

    def _tick(self, name: PolicyName) -> None:
        delay = self.take_turn(name)
        if delay is not None:
            self._ticker.after(delay, name, self._tick)

    def take_turn(self, name: PolicyName) -> timedelta | None:
        """Tick the policy once and return after how long to tick it again; None: not any more.

        Never raises: whatever happens inside, the other policies go on.
        """
        with self._turn(name):
            self._part_now(name)
            if name not in self._watches:
                return None
            self._vitals.begin(name)
            delay = self._net.guarded(name, lambda: self._tick_once(name))
            self._vitals.end(name)
            if name in self._leaving:
                self._net.guarded(name, lambda: self._leave_when_done(name))
        return delay if name in self._watches else None

    def _tick_once(self, name: PolicyName) -> timedelta:
        watch = self._watches[name]
        self._take_lease(watch)
        setting = self._stillness.setting()
        all_read = self._stillness.reached(name, setting)
        if all_read and not self._asked(name):
            self._vitals.looked_after(name)  # the store has answered, and nothing is left to do
            return STREAM_DELAY
        started = self._timer.monotonic()
        ticked = tick(watch, read=not all_read)
        seconds = self._timer.monotonic() - started
        if self._faltering is not None:
            self._faltering.succeeded(watch)
        self._vitals.ticked(name, seconds)
        return self._next_delay(name, ticked, setting)

    def _take_lease(self, watch: Watch) -> None:
        watch.lease = self._leases.get(watch.name, watch.lease)

    def _asked(self, name: PolicyName) -> bool:
        """On stream time, between two instants: somebody wants something, or it is being done."""
        watch = self._watches[name]
        with watch.store.read() as tx:
            return bool(tx.open_requests(name)) or name in self._busy

    def _next_delay(self, name: PolicyName, ticked: Ticked, setting: Setting | None) -> timedelta:
        (self._busy.discard if ticked.quiet else self._busy.add)(name)
        if ticked.moved and not ticked.rests:
            return timedelta(0)
        if ticked.waiting:
            return BUSY_DELAY if setting is None else STREAM_DELAY
        if setting is None:
            return self._rhythm.tick if ticked.due_in is None else min(self._rhythm.tick, ticked.due_in)
        self._stillness.note(name, setting, self.watched)
        return STREAM_DELAY

    def _faulted(self, name: PolicyName, kind: str, message: str) -> None:
        self._busy.add(name)
        watch = self._watches.get(name)
        if watch is None:
            return
        watch.pace.forget(name)
        if self._faltering is not None:
            self._faltering.failed(watch, kind, message)

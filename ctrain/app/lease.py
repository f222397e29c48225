"""Leases in the database: of a daemon, of the policies that it watches, and of a command for a moment.

A holder names its machine, process id and start, so that a daemon which was killed does not have to be
waited for: on the machine where it ran everybody can see that it is gone. From any other machine, and
from another container, only the end of the lease tells, by the clock of the database.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.domain.leases import DAEMON_LEASE, daemon_lease, leased_policy, policy_lease
from ctrain.errors import StateConflict
from ctrain.launchers.machine import started, this_machine

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.ports import Store


class Lease:
    """A command's lease on one policy, proved by a fencing token."""

    def __init__(self, store: Store, policy: PolicyName, duration: timedelta, holder: str = "") -> None:
        self._store = store
        self._name = policy_lease(policy)
        self._duration = duration
        self._holder = holder or this_holder()

    @property
    def name(self) -> str:
        return self._name

    def acquire(self) -> int | None:
        """The fencing token, or None while a daemon holds the lease."""
        other = self.other()
        with self._store.write() as tx:
            if other is not None and is_gone(other):
                tx.release_lease(self._name, other)
            return tx.acquire_lease(self._name, self._holder, tx.database_now(), self._duration)

    def release(self) -> None:
        with self._store.write() as tx:
            tx.release_lease(self._name, self._holder)

    def other(self) -> str | None:
        """Who else holds it."""
        with self._store.read() as tx:
            holder = tx.lease_holder(self._name, tx.database_now())
        return None if holder == self._holder else holder


@dataclass(frozen=True, slots=True)
class Held:
    """Who lives, and who holds what; without those that are known to be dead."""

    daemons: frozenset[str]
    holders: Mapping[PolicyName, str]


class DaemonLeases:
    """The leases of one daemon: its own, and those of the policies that it watches."""

    def __init__(self, store: Store, duration: timedelta, holder: str = "") -> None:
        self._store = store
        self._duration = duration
        self.holder = holder or this_holder()

    def register(self, refuse: Callable[[Collection[str]], str]) -> None:
        """Take the daemon's own lease, unless ``refuse`` of the others that live gives a reason not to.

        Raises
        ------
        StateConflict
            with that reason.
        """
        self.look()
        with self._store.write() as tx:
            now = tx.database_now()
            tx.forget_leases(DAEMON_LEASE, now)
            others = [one.holder for one in tx.live_leases(now) if one.name == daemon_lease(one.holder)]
            reason = refuse([one for one in others if one != self.holder])
            if reason:
                raise StateConflict(reason)
            tx.acquire_lease(daemon_lease(self.holder), self.holder, now, self._duration)

    def look(self) -> Held:
        """What everybody holds; what a dead process of this machine held is free from now on."""
        with self._store.read() as tx:
            held = tx.live_leases(tx.database_now())
        dead = {holder for holder in {one.holder for one in held} if is_gone(holder)}
        if dead:
            with self._store.write() as tx:
                for holder in dead:
                    tx.release_leases(holder)
        living = [one for one in held if one.holder not in dead]
        return Held(
            frozenset(one.holder for one in living if one.name == daemon_lease(one.holder)),
            {name: one.holder for one in living if (name := leased_policy(one.name)) is not None},
        )

    def silent(self) -> frozenset[str]:
        """Daemons of this machine that live, and whose own lease has run out all the same."""
        with self._store.read() as tx:
            run_out = tx.run_out_leases(DAEMON_LEASE, tx.database_now())
        return frozenset(one.holder for one in run_out if lives_here(one.holder))

    def beat(self, policies: Collection[PolicyName]) -> dict[PolicyName, int]:
        """Prolong what is held, and take back those of ``policies`` that ran out and nobody took since.

        Returns the fencing tokens of all policies that are held.
        """
        wanted = {daemon_lease(self.holder), *map(policy_lease, policies)}
        with self._store.write() as tx:
            now = tx.database_now()
            tokens = tx.renew_leases(self.holder, now, self._duration)
            ran_out = wanted - tokens.keys()
            if ran_out:
                tokens |= tx.acquire_leases(ran_out, self.holder, now, self._duration)
        return _of_policies(tokens)

    def take(self, policies: Collection[PolicyName]) -> dict[PolicyName, int]:
        """The fencing tokens of those of ``policies`` that are ours from now on."""
        names = map(policy_lease, policies)
        with self._store.write() as tx:
            tokens = tx.acquire_leases(names, self.holder, tx.database_now(), self._duration)
        return _of_policies(tokens)

    def give_back(self, policies: Collection[PolicyName]) -> None:
        """Let others have these policies at once."""
        with self._store.write() as tx:
            tx.release_leases(self.holder, map(policy_lease, policies))

    def end(self) -> None:
        """Give everything back: the daemon is gone."""
        with self._store.write() as tx:
            tx.release_leases(self.holder)
            tx.forget_leases(DAEMON_LEASE, tx.database_now())


def _of_policies(tokens: Mapping[str, int]) -> dict[PolicyName, int]:
    policies = ((leased_policy(name), token) for name, token in tokens.items())
    return {name: token for name, token in policies if name is not None}


def this_holder() -> str:
    """The present process as the holder of a lease: ``host:pid:start:machine``."""
    return f"{socket.gethostname()}:{os.getpid()}:{started(os.getpid())}:{this_machine()}"


def is_gone(holder: str) -> bool:
    """True when the holder was a process of this machine that does not live any more.

    False for one that lives, and for every holder that this machine cannot know anything about.
    """
    pid, start, machine = _parts(holder)
    if not pid.isdecimal() or not start or not machine or machine != this_machine():
        return False
    return started(int(pid)) != start


def is_here(holder: str) -> bool:
    """True when the holder is a process of this machine."""
    machine = _parts(holder)[2]
    return bool(machine) and machine == this_machine()


def lives_here(holder: str) -> bool:
    """True when the holder is a process of this machine that lives."""
    return is_here(holder) and not is_gone(holder)


def _parts(holder: str) -> tuple[str, str, str]:
    """Process id, start and machine of a holder."""
    _, _, rest = holder.partition(":")
    pid, _, rest = rest.partition(":")
    start, _, machine = rest.partition(":")
    return pid, start, machine

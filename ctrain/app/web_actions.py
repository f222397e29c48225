"""What callers over HTTP ask for: on record, once for each idempotency key, for a daemon to carry out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ctrain.domain import Event, Phase, Request, RequestKind, RunId
from ctrain.domain.access import KeptAnswer
from ctrain.domain.leases import daemon_lease, watching
from ctrain.errors import InputError, StateConflict
from ctrain.lifecycle.approval import BOUND_TO
from ctrain.web.backend import NobodyActs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctrain.domain import PolicyName, Run
    from ctrain.ports import Clock, Store, Timer, Transaction

KEPT_FOR = timedelta(days=7)
"""So long a key answers for what was asked with it."""
LEASE = timedelta(seconds=20)
START = timedelta(seconds=30)
"""In which a daemon that is being restarted is there again."""


class StoredActions:
    """Implements ``ctrain.web.backend.Actions`` on the store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        timer: Timer,
        is_gone: Callable[[str], bool],
        lease: timedelta = LEASE,
    ) -> None:
        """``lease`` is how long daemons hold what they watch; a free policy is taken sooner than that."""
        self._store, self._clock, self._timer, self._is_gone = store, clock, timer, is_gone
        self._lease = lease

    def ask(
        self,
        policy: PolicyName,
        kind: RequestKind,
        actor: str,
        arguments: Mapping[str, Any],
        key: str = "",
        sent: Mapping[str, Any] | None = None,
    ) -> Request:
        """Put it on record and return it as it stands; the earlier one when ``key`` was used before.

        Raises
        ------
        InputError
            when there is no such policy, or the key was used for something else.
        NobodyActs
            when no daemon watches the policy, so that it would be done later by surprise: a trigger alone
            waits for the next daemon.
        """
        now = self._timer.now()
        fingerprint = _fingerprint(policy, kind, arguments if sent is None else sent)
        with self._store.write() as tx:
            _check_known(tx, policy)
            kept = tx.kept_answer(actor, key) if key else None
            if kept is not None:
                return _again(tx, kept, fingerprint)
            if kind is not RequestKind.TRIGGER:
                self._check_watched(tx, policy, kind)
            number = tx.add_request(Request(0, policy, kind, actor, self._clock.now(), arguments))
            if key:
                tx.forget_answers(now - KEPT_FOR)
                tx.keep_answer(KeptAnswer(actor, key, fingerprint, number, now))
            return _request(tx, number)

    def earlier(
        self, policy: PolicyName, kind: RequestKind, actor: str, sent: Mapping[str, Any], key: str
    ) -> Request | None:
        """What was put on record for the key before; InputError when that was something else."""
        with self._store.read() as tx:
            kept = tx.kept_answer(actor, key) if key else None
            return _again(tx, kept, _fingerprint(policy, kind, sent)) if kept is not None else None

    def set_paused(self, policy: PolicyName, paused: bool, actor: str) -> None:
        """Pause or resume the policy, on record."""
        from ctrain.app.telling import telling

        with self._store.read() as tx:
            _check_known(tx, policy)
        verb = "paused" if paused else "resumed"
        with telling(self._store, policy, self._clock).write() as tx:
            tx.set_paused(policy, paused)
            tx.append_event(Event(policy, verb, self._clock.now(), actor, f"{verb} by {actor}"))

    def awaiting(self, run_id: RunId) -> tuple[Run, dict[str, Any]]:
        """A run that waits for approval, and what an answer is bound to, as it stands now.

        Raises
        ------
        InputError
            when there is no such run.
        StateConflict
            when it waits for no approval.
        """
        with self._store.read() as tx:
            run = tx.run(run_id)
        if run is None:
            raise InputError(f"there is no run {run_id}")
        if run.phase is not Phase.AWAITING_APPROVAL:
            raise StateConflict(f"run {run_id} is {run.phase.value}: it waits for no approval")
        return run, {name: run.details["approval"][name] for name in BOUND_TO}

    def _check_watched(self, tx: Transaction, policy: PolicyName, kind: RequestKind) -> None:
        held = [one for one in tx.live_leases(tx.database_now()) if not self._is_gone(one.holder)]
        if watching(held, policy) is not None:
            return
        raise self._nobody(policy, kind, lives=any(one.name == daemon_lease(one.holder) for one in held))

    def _nobody(self, policy: PolicyName, kind: RequestKind, *, lives: bool) -> NobodyActs:
        """The refusal, and when to ask again: who has the policy's file takes it within a lease."""
        here = f"use `ctrain {kind.value}` in the home, which needs none"
        if not lives:
            return NobodyActs(f"no daemon runs that would {kind.value} it; start one, or {here}", START)
        wait = f"{self._lease.total_seconds():.0f} s"
        return NobodyActs(
            f"no daemon watches {policy}: none would {kind.value} it; ask again in {wait}, in which a daemon "
            f"that has just started takes it over, else give its file to one, or {here}",
            self._lease,
        )


def _again(tx: Transaction, kept: KeptAnswer, fingerprint: str) -> Request:
    if kept.fingerprint != fingerprint:
        raise InputError(
            f"the idempotency key {kept.key} was used for another request ({kept.request_id}); "
            "use a new key for what is not the same"
        )
    return _request(tx, kept.request_id)


def _request(tx: Transaction, number: int) -> Request:
    request = tx.request(number)
    assert request is not None
    return request


def _check_known(tx: Transaction, policy: PolicyName) -> None:
    known = sorted(tx.policies())
    if policy not in known:
        raise InputError(f"there is no policy {policy} here; known: {', '.join(known) or 'none yet'}")


def _fingerprint(policy: PolicyName, kind: RequestKind, arguments: Mapping[str, Any]) -> str:
    text = json.dumps([policy, kind.value, arguments], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()

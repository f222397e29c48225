"""What a person asks of a policy: on record first, then answered by a daemon, or here when none runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.app.lease import LEASE, Lease, is_gone
from ctrain.app.wiring import (
    close_shell,
    load_fleet,
    open_existing_database,
    open_shell,
    open_telemetry,
    watch_policy,
)
from ctrain.clocks import RealTimer, open_clock, wait_for
from ctrain.domain import Event, PolicyName, Request, RequestKind
from ctrain.engine.advance import advance
from ctrain.engine.champions import sync_champion
from ctrain.engine.requests import answer_requests, reconcile
from ctrain.errors import InputError, StateConflict

if TYPE_CHECKING:
    from ctrain.ports import Store
    from ctrain.settings import Settings

MAX_STEPS = 20
"""A rollback needs three steps; more means that it waits for something."""


def ask(
    settings: Settings,
    environ: Mapping[str, str],
    policy: PolicyName,
    kind: RequestKind,
    actor: str,
    arguments: Mapping[str, Any],
    wait: timedelta,
) -> Request:
    """Put a request on record and return it with its answer, or without one when nobody can give it.

    Raises
    ------
    InputError
        when the home or the policy is not known.
    """
    store = open_existing_database(settings)
    number = _record(store, settings, policy, kind, actor, arguments)
    if _daemon_alive(store):
        wait_for(lambda: bool(_request(store, number).answer), wait.total_seconds())
    elif kind is not RequestKind.TRIGGER:
        _answer_here(settings, environ, store, policy)
    return _request(store, number)


def _record(
    store: Store,
    settings: Settings,
    policy: PolicyName,
    kind: RequestKind,
    actor: str,
    arguments: Mapping[str, Any],
) -> int:
    check_known(store, policy)
    now = open_clock(settings.home).now()
    with store.write() as tx:
        return tx.add_request(Request(0, policy, kind, actor, now, arguments))


def check_known(store: Store, policy: PolicyName) -> None:
    """Raise InputError, naming the policies there are, when this one has never been watched here."""
    with store.read() as tx:
        known = tx.policies()
    if policy not in known:
        raise InputError(f"{policy}: no such policy here; known: {', '.join(known) or 'none yet'}")


def _request(store: Store, number: int) -> Request:
    with store.read() as tx:
        request = tx.request(number)
    assert request is not None
    return request


def _daemon_alive(store: Store) -> bool:
    with store.read() as tx:
        holder = tx.lease_holder(LEASE, RealTimer().now())
    return holder is not None and not is_gone(holder)


def _answer_here(settings: Settings, environ: Mapping[str, str], store: Store, policy: PolicyName) -> None:
    """Do what the daemon would do with the open requests, under its lease."""
    with store.read() as tx:
        record = tx.policy_record(policy)
    assert record is not None
    fleet = load_fleet([Path(record.path)], environ)
    shell = open_shell(settings, open_telemetry(environ))
    lease = Lease(store, shell.timer, settings.lease)
    token = lease.acquire()
    if token is None:
        raise StateConflict(f"a daemon ({lease.other()}) has just started; it will answer")
    try:
        watch = watch_policy(shell, fleet[0], (LEASE, token))
        sync_champion(watch)
        reconcile(watch)
        answer_requests(watch)
        for _ in range(MAX_STEPS):
            if not advance_rollback(watch):
                break
    finally:
        lease.release()
        close_shell(shell)


def advance_rollback(watch: Any) -> bool:
    """Take a step of a run that is on its way back; nothing else is advanced by a command."""
    with watch.store.read() as tx:
        run = tx.active_run(watch.name)
    return run is not None and run.phase.value == "ROLLING_BACK" and advance(watch).moved


def set_paused(settings: Settings, policy: PolicyName, paused: bool, actor: str) -> None:
    """Pause or resume a policy, on record."""
    store = open_existing_database(settings)
    check_known(store, policy)
    verb = "paused" if paused else "resumed"
    with store.write() as tx:
        tx.set_paused(policy, paused)
        tx.append_event(Event(policy, verb, open_clock(settings.home).now(), actor, f"{verb} by {actor}"))

"""What a person asks of a policy: on record first, then answered by a daemon, or here when none runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.app.home import claim_home
from ctrain.app.lease import Lease, is_gone
from ctrain.app.telling import telling
from ctrain.app.wiring import (
    close_shell,
    open_existing_database,
    open_quiet_telemetry,
    open_shell,
    watch_policy,
)
from ctrain.clocks import open_clock, wait_for
from ctrain.domain import Event, Phase, PolicyName, Request, RequestKind, Run, RunId
from ctrain.domain.leases import HeldLease, daemon_lease, watching
from ctrain.engine.advance import advance
from ctrain.engine.champions import sync_champion
from ctrain.engine.requests import answer_requests, reconcile
from ctrain.errors import CtrainError, InputError, PolicyError, StateConflict, TransientError
from ctrain.lifecycle.approval import BOUND_TO
from ctrain.policy.files import load_policy, parse_policy

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Store
    from ctrain.settings import Settings

MAX_STEPS = 20
"""A rollback needs three steps; more means that it waits for something."""
ON_THE_MOVE = frozenset({Phase.PROMOTING, Phase.ROLLING_BACK})
"""Phases in which an alias is being moved: a command finishes them, and no others."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it stands when the command ends."""

    request: Request
    run: Run | None
    """The run that it is about, as it stands now."""
    daemon: str | None
    """The daemon that was to answer; None when none runs."""


def ask(
    settings: Settings,
    environ: Mapping[str, str],
    policy: PolicyName,
    kind: RequestKind,
    actor: str,
    arguments: Mapping[str, Any],
    wait: timedelta,
) -> Asked:
    """Put a request on record and return it with its answer, or without one when nobody can give it.

    The daemon that watches the policy answers within ``wait``; without one everything but a trigger is
    carried out here, and a trigger waits for one that takes the policy.

    Raises
    ------
    InputError
        when the home or the policy is not known.
    TransientError
        when it is to be carried out here and the registry does not answer; what is half done goes on
        with the next daemon.
    """
    store = open_existing_database(settings)
    check_known(store, policy)
    about = _run_before(store, policy, kind, arguments)
    now = open_clock(settings.home).now()
    with store.write() as tx:
        number = tx.add_request(Request(0, policy, kind, actor, now, arguments))
    daemon = watching(_living(store), policy)
    if daemon is None and kind is RequestKind.TRIGGER:
        daemon = living_daemon(store)
    elif daemon is None:
        daemon = _answer_here(settings, environ, store, policy, number)
    if daemon is not None:
        wait_for(lambda: _settled(store, number, about), wait.total_seconds())
    request = _request(store, number)
    return Asked(request, _run_after(store, request, about), daemon)


def owner_of(settings: Settings, run_id: RunId) -> PolicyName:
    """The policy of a run; raises InputError, naming the newest runs, when there is no such run."""
    with open_existing_database(settings).read() as tx:
        run = tx.run(run_id)
        newest = ", ".join(one.id for one in tx.runs(limit=5))
    if run is None:
        raise InputError(f"there is no run {run_id}; the newest runs: {newest or 'none yet'}")
    return run.policy


def approval_of(settings: Settings, run_id: RunId) -> tuple[PolicyName, dict[str, Any]]:
    """The policy of a run that waits for approval, and what an answer is bound to, as it stands now.

    Raises
    ------
    InputError
        when there is no such run, or it waits for no approval.
    """
    policy = owner_of(settings, run_id)
    with open_existing_database(settings).read() as tx:
        run = tx.run(run_id)
    assert run is not None
    if run.phase is not Phase.AWAITING_APPROVAL:
        raise InputError(f"run {run_id} is {run.phase.value}: it waits for no approval")
    return policy, {name: run.details["approval"][name] for name in BOUND_TO}


def check_known(store: Store, policy: PolicyName) -> None:
    """Raise InputError, naming the policies there are, when this one has never been watched here."""
    with store.read() as tx:
        known = sorted(tx.policies())
    if policy not in known:
        raise InputError(f"there is no policy {policy} here; known: {', '.join(known) or 'none yet'}")


def living_daemon(store: Store) -> str | None:
    """A daemon that lives, whatever it watches; None when none does."""
    return next((one.holder for one in _living(store) if one.name == daemon_lease(one.holder)), None)


def _living(store: Store) -> list[HeldLease]:
    with store.read() as tx:
        held = tx.live_leases(tx.database_now())
    return [one for one in held if not is_gone(one.holder)]


def _run_before(
    store: Store, policy: PolicyName, kind: RequestKind, arguments: Mapping[str, Any]
) -> RunId | None:
    if kind in {RequestKind.CANCEL, RequestKind.APPROVE, RequestKind.REJECT}:
        return RunId(arguments["run"])
    with store.read() as tx:
        run = tx.active_run(policy)
    return run.id if run is not None and kind is RequestKind.ROLLBACK else None


def _run_after(store: Store, request: Request, about: RunId | None) -> Run | None:
    with store.read() as tx:
        if about is not None:
            return tx.run(about)
        if request.kind is RequestKind.TRIGGER and request.answer.startswith("done"):
            return tx.active_run(request.policy)
    return None


def _request(store: Store, number: int) -> Request:
    with store.read() as tx:
        request = tx.request(number)
    assert request is not None
    return request


def _settled(store: Store, number: int, about: RunId | None) -> bool:
    """The request is answered, and a rollback that it began is over."""
    with store.read() as tx:
        request = tx.request(number)
        run = tx.run(about) if about is not None else None
    answered = request is not None and bool(request.answer)
    return answered and (run is None or run.phase is not Phase.ROLLING_BACK)


def _answer_here(
    settings: Settings, environ: Mapping[str, str], store: Store, policy: PolicyName, number: int
) -> str | None:
    """Do what the daemon would do with the request; returns a daemon that has started meanwhile.

    A request that cannot be carried out is answered too: no later daemon shall do it by surprise.
    """
    shell = open_shell(settings, open_quiet_telemetry(environ))
    lease = Lease(store, policy, settings.lease)
    try:
        claim_home(settings, store)
        token = lease.acquire()
        if token is None:
            return lease.other()
        try:
            with _refused_on_failure(store, number):
                watch = _open_watch(
                    store, policy, environ, lambda it: watch_policy(shell, it, (lease.name, token))
                )
                _carry_out(watch, finish_first=_request(store, number).kind is RequestKind.ROLLBACK)
        finally:
            lease.release()
    finally:
        close_shell(shell)
    return None


@contextmanager
def _refused_on_failure(store: Store, number: int) -> Iterator[None]:
    """Answer a request that failed, unless an alias move for it is on record: that will be finished."""
    try:
        yield
    except CtrainError as error:
        request = _request(store, number)
        with store.write() as tx:
            if not request.answer and tx.open_intent(request.policy) is None:
                tx.answer_request(number, f"refused: {error}")
        raise


def _open_watch(
    store: Store, policy: PolicyName, environ: Mapping[str, str], open_watch: Callable[[LoadedPolicy], Watch]
) -> Watch:
    """The watch by the policy's file, or by its newest run's snapshot where the file cannot be used."""
    with store.read() as tx:
        record, runs = tx.policy_record(policy), tx.runs(policy, limit=1)
    assert record is not None
    for run in runs:
        with suppress(PolicyError, StateConflict):
            return open_watch(load_policy(Path(record.path), environ))
        return open_watch(parse_policy(run.policy_text, Path(run.policy_path), environ))
    return open_watch(load_policy(Path(record.path), environ))


def _carry_out(watch: Watch, *, finish_first: bool) -> None:
    """Answer what is open; a promotion that a crash left half done is finished first to be rolled back."""
    sync_champion(watch)
    reconcile(watch)
    if finish_first:
        _finish_moves(watch)
    answer_requests(watch)
    try:
        _finish_moves(watch)
    except TransientError as error:
        raise TransientError(f"the rollback is on record, a daemon will go on with it: {error}") from error


def _finish_moves(watch: Watch) -> None:
    """Take the steps of a run that moves an alias; nothing else is advanced by a command."""
    for _ in range(MAX_STEPS):
        with watch.store.read() as tx:
            run = tx.active_run(watch.name)
        if run is None or run.phase not in ON_THE_MOVE or not advance(watch).moved:
            return


def set_paused(settings: Settings, policy: PolicyName, paused: bool, actor: str) -> None:
    """Pause or resume a policy, on record."""
    store = open_existing_database(settings)
    check_known(store, policy)
    verb = "paused" if paused else "resumed"
    clock = open_clock(settings.home)
    with telling(store, policy, clock).write() as tx:
        tx.set_paused(policy, paused)
        tx.append_event(Event(policy, verb, clock.now(), actor, f"{verb} by {actor}"))

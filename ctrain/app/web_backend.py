"""The backend of a ``ctrain serve``: the store of the home, read and asked as the commands do it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from ctrain.app.lease import is_gone, lives_here
from ctrain.app.pushing import open_spool
from ctrain.app.web_actions import StoredActions
from ctrain.clocks import RealTimer, open_clock
from ctrain.queries import FleetQueries
from ctrain.store import attach_store, open_store
from ctrain.telemetry import open_log
from ctrain.telemetry.logs import Redactor
from ctrain.web.backend import Backend
from ctrain.web.certificates import Certificate, RenewedCertificate
from ctrain.web.private import PrivateDaemon
from ctrain.web.rules import rules_for
from ctrain.web.server import bind, shown_address
from ctrain.web.serving import run_application

if TYPE_CHECKING:
    from typing import IO

    from ctrain.settings import Settings
    from ctrain.web.backend import DaemonPages
    from ctrain.web.rules import Rules


def open_backend(
    settings: Settings, environ: Mapping[str, str], rules: Rules, daemon: DaemonPages | None = None
) -> Backend:
    """The backend on the store of ``settings``; beside a daemon, which has it open, also while it is away.

    Raises
    ------
    InputError
        when no daemon has ever run there.
    """
    url = settings.database_url
    store = open_store(url, create=False) if daemon is None else attach_store(url)
    clock, timer = open_clock(settings.home), RealTimer()
    return Backend(
        settings=settings,
        store=store,
        queries=FleetQueries(store, clock, environ, is_gone, lives_here),
        clock=clock,
        timer=timer,
        actions=StoredActions(store, clock, timer, is_gone, settings.lease),
        rules=rules,
        spool=open_spool(settings, store, timer, environ),
        daemon=daemon,
        environ=environ,
        redact=Redactor(environ).redact,
        log=open_log(environ=environ).log,
    )


def serve_alone(
    settings: Settings, environ: Mapping[str, str], listen: str, certificate: Certificate | None
) -> None:
    """Serve on an address of our own until stopped."""
    with bind(listen) as bound:
        _serve(settings, environ, bound, certificate, None, None)


def serve_for_daemon(
    settings: Settings,
    environ: Mapping[str, str],
    number: int,
    private: str,
    certificate: Certificate | None,
    until_closed: IO[bytes],
) -> None:
    """Serve on a daemon's socket for as long as that daemon lives."""
    with socket.socket(fileno=number) as bound:
        _serve(settings, environ, bound, certificate, PrivateDaemon(private), until_closed)


def _serve(
    settings: Settings,
    environ: Mapping[str, str],
    bound: socket.socket,
    certificate: Certificate | None,
    daemon: DaemonPages | None,
    until_closed: IO[bytes] | None,
) -> None:
    from ctrain.web.application import create_application
    from ctrain.web.console.ahead import look_ahead

    rules = rules_for(bound.getsockname()[0], environ, tls=certificate is not None)
    backend = open_backend(settings, environ, rules, daemon)
    app = create_application(backend)
    renewed = RenewedCertificate(certificate, backend.timer, backend.log) if certificate is not None else None
    backend.log("console_started", listen=shown_address(bound), tls=rules.tls)
    run_application(app, bound, renewed, until_closed, partial(look_ahead, app))

"""Runs an application on a socket until it is told to stop."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fastapi import FastAPI

    from ctrain.web.certificates import RenewedCertificate

STOP_SECONDS = 3
CONNECTIONS = 512
HEADER_BYTES = 64 << 10
PATIENCE_SECONDS = 8.0
"""After which a server that should have stopped is stopped, whatever it does."""
QUIET_SECONDS = 1.0
"""Left to the start and the first answers to probes, before work that can wait is done beside them."""


def run_application(
    app: FastAPI,
    listening: socket.socket,
    certificate: RenewedCertificate | None,
    until_closed: IO[bytes] | None,
    beside: Callable[[], None],
) -> None:
    """Serve until SIGTERM, SIGINT, or the end of ``until_closed``: whoever holds its other end is gone.

    ``beside`` runs once in a thread, soon after.
    """
    import uvicorn

    from ctrain.web.patience import PatientProtocol

    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what strangers send wrongly is no news; faults are logged by ``Guards``
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    config.load()
    config.ssl = certificate.context if certificate else None
    server = uvicorn.Server(config)
    if until_closed is not None:
        threading.Thread(target=_stop_at_end, args=(server, until_closed), daemon=True).start()
    _start_timer(QUIET_SECONDS, beside)
    server.run(sockets=[listening])


def _stop_at_end(server: object, pipe: IO[bytes]) -> None:
    while pipe.read(1):
        pass
    server.should_exit = True  # type: ignore[attr-defined]  # a uvicorn.Server, imported only where it runs
    _start_timer(PATIENCE_SECONDS, partial(os._exit, 1))


def _start_timer(seconds: float, then: Callable[[], object]) -> None:
    """Call ``then`` in a thread that the end of the process does not wait for."""
    timer = threading.Timer(seconds, then)
    timer.daemon = True
    timer.start()

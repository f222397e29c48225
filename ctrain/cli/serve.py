"""``ctrain serve``: API and console without a daemon in the same place."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.options import Home, load_settings
from ctrain.cli.output import guarded
from ctrain.settings import DEFAULT_LISTEN

if TYPE_CHECKING:
    from ctrain.web.certificates import Certificate

TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", help="Certificate with its chain (PEM): serve HTTPS.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Key of the certificate (PEM).")]


def register(app: typer.Typer) -> None:
    app.command("serve")(guarded(serve))


def serve(
    home: Home = None,
    listen: Annotated[
        str, typer.Option("--listen", help="HOST:PORT of the API and the console; loopback unless told.")
    ] = DEFAULT_LISTEN,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    socket: Annotated[int | None, typer.Option("--socket", hidden=True)] = None,
    daemon: Annotated[str, typer.Option("--daemon", hidden=True)] = "",
) -> None:
    """Serve the API and the console from the database of daemons that run elsewhere."""
    signal.signal(signal.SIGHUP, lambda *_: None)  # tokens and certificates are as new as each request
    from ctrain.app.web_backend import serve_alone, serve_for_daemon

    settings = load_settings(home)
    certificate = certificate_of(tls_cert, tls_key)
    if socket is not None:
        serve_for_daemon(settings, os.environ, socket, daemon, certificate, sys.stdin.buffer)
    else:
        serve_alone(settings, os.environ, listen, certificate)


def certificate_of(chain: Path | None, key: Path | None) -> Certificate | None:
    """The certificate to serve with; raises InputError when only half of it is named."""
    from ctrain.errors import InputError
    from ctrain.web.certificates import Certificate

    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise InputError("--tls-cert and --tls-key: name both or neither")
    certificate = Certificate(chain.absolute(), key.absolute())
    certificate.check()
    return certificate

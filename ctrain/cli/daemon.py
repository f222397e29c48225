"""``ctrain run``: the daemon."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.options import Home, load_settings
from ctrain.cli.output import guarded
from ctrain.cli.serve import TlsCert, TlsKey, certificate_of
from ctrain.settings import DEFAULT_LISTEN

if TYPE_CHECKING:
    from ctrain.app.web_child import Console
    from ctrain.settings import Settings


def register(app: typer.Typer) -> None:
    app.command("run")(guarded(run))


def run(
    paths: Annotated[list[Path], typer.Argument(help="Policy files, or folders of them.", metavar="PATH...")],
    home: Home = None,
    listen: Annotated[
        str,
        typer.Option(
            "--listen", help="HOST:PORT of console, API, /metrics and health; loopback unless told."
        ),
    ] = DEFAULT_LISTEN,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Tick a policy as soon as a file of its sources comes.")
    ] = True,
    local_cluster: Annotated[
        int,
        typer.Option(
            "--local-cluster",
            min=0,
            help="Workers of a dask cluster on loopback, for policies with the launcher dask and no address.",
        ),
    ] = 0,
    console: Annotated[
        bool,
        typer.Option(
            "--console/--no-console",
            help="API and console on the same address, or /metrics and health alone.",
        ),
    ] = True,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, help="Daemons on this home that share the policies, one to a core."),
    ] = 1,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    worker: Annotated[str, typer.Option("--worker", hidden=True)] = "",
) -> None:
    """Watch the policies until stopped (SIGTERM, Ctrl-C)."""
    from ctrain.app.cluster import check_clusters
    from ctrain.app.daemon import Daemon
    from ctrain.app.faulting import planned_faults, with_faults
    from ctrain.app.memory import migrate_apart
    from ctrain.app.wiring import open_shell, open_telemetry
    from ctrain.app.workers import NO_WORKERS, check_workers, open_workers, when_closed
    from ctrain.policy.fleet import load_fleet

    settings = load_settings(home)
    settings = replace(
        settings, watch_folders=watch and settings.watch_folders, console=console and settings.console
    )
    pages = _console(settings, tls_cert, tls_key)
    faults = planned_faults(os.environ)
    fleet = load_fleet(paths, os.environ)
    check_clusters(fleet, local_cluster)
    check_workers(workers, settings, local_cluster)
    migrate_apart(settings.database_url)
    telemetry = open_telemetry(os.environ)
    shell = with_faults(open_shell(settings, telemetry, local_cluster, workers), faults)
    beside = NO_WORKERS if worker else open_workers(workers, paths, settings, telemetry, shell.timer)
    address = f"@{worker}" if worker else listen
    daemon = Daemon(shell, fleet, paths, address, telemetry, pages, beside)
    if worker:
        when_closed(sys.stdin.buffer, daemon.stop)
    daemon.run()


def _console(settings: Settings, tls_cert: Path | None, tls_key: Path | None) -> Console | None:
    """How to serve API and console; None where the daemon answers alone."""
    from ctrain.app.web_child import Console
    from ctrain.errors import InputError

    certificate = certificate_of(tls_cert, tls_key)
    if settings.console:
        return Console(settings.home, certificate)
    if certificate is not None:
        raise InputError("--tls-cert: only the console's server speaks TLS; leave --no-console out")
    return None

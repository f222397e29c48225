"""``ctrain run``: the daemon."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ctrain.cli.options import Home, load_settings
from ctrain.cli.output import guarded
from ctrain.settings import DEFAULT_LISTEN


def register(app: typer.Typer) -> None:
    app.command("run")(guarded(run))


def run(
    paths: Annotated[list[Path], typer.Argument(help="Policy files, or folders of them.", metavar="PATH...")],
    home: Home = None,
    listen: Annotated[
        str, typer.Option("--listen", help="HOST:PORT of /metrics and /-/healthy; loopback unless told.")
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
) -> None:
    """Watch the policies until stopped (SIGTERM, Ctrl-C)."""
    from ctrain.app.cluster import check_clusters
    from ctrain.app.daemon import Daemon
    from ctrain.app.faulting import planned_faults, with_faults
    from ctrain.app.memory import migrate_apart
    from ctrain.app.wiring import load_fleet, open_shell, open_telemetry

    settings = load_settings(home)
    settings = replace(settings, watch_folders=watch and settings.watch_folders)
    faults = planned_faults(os.environ)
    fleet = load_fleet(paths, os.environ)
    check_clusters(fleet, local_cluster)
    migrate_apart(settings.database_url)
    telemetry = open_telemetry(os.environ)
    shell = with_faults(open_shell(settings, telemetry, local_cluster), faults)
    Daemon(shell, fleet, paths, listen, telemetry).run()

"""``ctrain report``: pictures of what the monitors of a policy said last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ctrain.cli.options import AsJson, Home, PolicyArgument, load_settings
from ctrain.cli.output import guarded, print_json, say


def register(app: typer.Typer) -> None:
    app.command("report")(guarded(report))


def report(
    policy: PolicyArgument,
    monitor: Annotated[
        str | None, typer.Option("--monitor", help="Only this monitor.", metavar="NAME")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the files.", show_default="report-POLICY", metavar="DIR"
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Draw what drifted: distributions, monitors over time, and Evidently's report; prints the files."""
    from ctrain.app.reporting import make_report
    from ctrain.domain import PolicyName

    folder = output or Path(f"report-{policy}")
    made = make_report(load_settings(home), PolicyName(policy), monitor, folder, os.environ)
    if as_json:
        print_json(
            {
                "policy": made.policy,
                "champion": made.champion,
                "monitors": made.monitors,
                "files": [str(path) for path in made.files],
                "failed": made.failed,
            }
        )
        return
    for path in made.files:
        say(path)
    for name, message in made.failed.items():
        say(f"{name} could not be drawn: {message}", err=True)

"""Commands of ctrain: thin; what they need is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from ctrain.cli import (
    act,
    audit,
    backtest,
    clock,
    compare,
    daemon,
    db,
    demo,
    init,
    inspect,
    notify,
    policies,
    profile,
    report,
    serve,
    token,
    tune,
)
from ctrain.cli.output import say

app = typer.Typer(
    name="ctrain",
    help="Keep models in an MLflow registry fresh: watch, retrain, compare, promote, roll back.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

for module in (daemon, demo, init, policies, backtest, tune, compare, profile, inspect, report, act, clock):
    module.register(app)
for module in (audit, notify, serve, token, db):
    module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ctrain import __version__

        say(f"ctrain {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep models in an MLflow registry fresh: watch, retrain, compare, promote, roll back."""

"""Options that many commands share, and what they stand for."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from ctrain.cli.completing import complete_policies, complete_runs
from ctrain.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the daemon's state.", show_default="CTRAIN_HOME, or .ctrain"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PolicyArgument = Annotated[
    str, typer.Argument(help="Name of the policy.", metavar="POLICY", autocompletion=complete_policies)
]
RunArgument = Annotated[
    str, typer.Argument(help="Id of the run.", metavar="RUN", autocompletion=complete_runs)
]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded with the actor.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for a running daemon's answer.")]


def load_settings(home: Path | None) -> Settings:
    return Settings.load(home, os.environ)


def named(holder: str | None) -> str:
    """The holder of the daemon's lease as a person says it.

    >>> named("vm:42:1234:ab12")
    'process 42 on vm'
    """
    host, _, rest = (holder or "").partition(":")
    return f"process {rest.partition(':')[0]} on {host}" if rest else holder or "nobody"


def actor() -> str:
    """Who is asking, for the record: ``CTRAIN_ACTOR`` or the user of the operating system."""
    return os.environ.get("CTRAIN_ACTOR") or _user()


def _user() -> str:
    """By name; in a container that knows none, by number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"

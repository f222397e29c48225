"""``ctrain demo``: the whole loop on a real stream."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ctrain.cli.options import AsJson
from ctrain.cli.output import FAILED, fail, guarded, print_json
from ctrain.errors import TransientError

if TYPE_CHECKING:
    from ctrain.demo.daemon import Stage
    from ctrain.demo.summary import Summary

INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    app.command("demo")(guarded(demo))


def demo(
    home: Annotated[
        Path, typer.Option("--home", help="Folder of the demo; an earlier demo in it is cleared away.")
    ] = Path(".demo"),
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="Stop at this day of 2013 at the latest."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", help="HOST:PORT of /metrics; default: a free port on loopback.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay the flights of New York, 2013: drift, retraining, promotion, rejection, rollback."""
    from ctrain.demo.daemon import LOG
    from ctrain.demo.performance import perform, set_stage
    from ctrain.demo.replay import STARTS_AT, UNTIL
    from ctrain.demo.screen import open_screen

    ends_at = UNTIL if until is None else until.replace(tzinfo=UTC)
    if not STARTS_AT < ends_at <= datetime(2014, 1, 1, tzinfo=UTC):
        fail("--until: expected a day between 2013-01-02 and 2014-01-01", 2)
    signal.signal(signal.SIGTERM, _interrupt)
    stage = set_stage(home, listen)
    try:
        summary = perform(stage, open_screen(), ends_at)
    except KeyboardInterrupt:
        fail("stopped; the daemon too", INTERRUPTED)
    except TransientError as error:
        fail(f"{error} ({stage.home / LOG})")
    _print(summary, stage, as_json)
    if summary.unmet:
        raise typer.Exit(FAILED)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _print(summary: Summary, stage: Stage, as_json: bool) -> None:
    from rich.console import Console

    from ctrain.demo.summary import where_to_look

    if as_json:
        print_json(summary.to_json())
        return
    console = Console(file=sys.stdout)
    console.print(summary.table())
    for line in summary.figures():
        console.print(line, highlight=False)
    for line in where_to_look(stage):
        console.print(line, highlight=False, soft_wrap=True)

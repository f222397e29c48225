"""``ctrain clock``: rehearse a policy with rows of the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.options import AsJson, Home, load_settings
from ctrain.cli.output import BAD_INPUT, FAILED, fail, guarded, print_json, say

if TYPE_CHECKING:
    from ctrain.app.rehearsing import Present


def register(app: typer.Typer) -> None:
    app.command("clock")(guarded(clock))


def clock(
    instant: Annotated[
        str | None,
        typer.Argument(help="2026-05-01, 2026-05-01T12:00Z or, after a first one, +1d.", metavar="INSTANT"),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds to wait until a daemon has done all that is due by then.")
    ] = 600.0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Rehearse with rows of the past: set the present of a new home; without INSTANT it is printed."""
    from ctrain.app.rehearsing import read_present, set_present

    settings = load_settings(home)
    if instant is None:
        present = read_present(settings)
    else:
        from rich.console import Console

        asked = _parsed(instant)
        with Console(stderr=True).status("the daemon does what is due by then"):
            present = set_present(settings, asked, timedelta(seconds=wait))
    if as_json:
        print_json({"now": present.now.isoformat(), "rehearsal": present.rehearsal, "done": present.done})
    else:
        say(_sentence(present, asked=instant is not None))
    if present.done is False:
        raise typer.Exit(FAILED)


def _parsed(text: str) -> datetime | timedelta:
    from ctrain.cli.replay import parse_length

    if text.startswith("+"):
        found = parse_length("INSTANT", text[1:])
        assert found is not None
        return found
    try:
        found_at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text}: expected an instant such as 2026-05-01 or 2026-05-01T12:00Z, or +1d", BAD_INPUT)
    return found_at if found_at.tzinfo else found_at.replace(tzinfo=UTC)


def _sentence(present: Present, *, asked: bool) -> str:
    told = f"it is {present.now:%Y-%m-%d %H:%M} UTC"
    if not present.rehearsal:
        return f"{told}, by the machine's clock"
    if not asked:
        return f"{told}, in a rehearsal"
    if present.done is None:
        return f"{told}; no daemon runs: `ctrain run PATH` goes on from here"
    return f"{told}; {'all that is due is done' if present.done else 'the daemon is not done yet'}"

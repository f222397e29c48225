"""``ctrain tune``: better thresholds, windows and cooldowns of a policy, by its history."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.output import guarded, print_table
from ctrain.cli.replay import FORMATS, parse_length, show_progress, write_document

if TYPE_CHECKING:
    from ctrain.backtest.frontier import Tried, Tuned


def register(app: typer.Typer) -> None:
    app.command("tune")(guarded(tune))


def tune(
    policy: Annotated[Path, typer.Argument(help="File of the policy.", metavar="POLICY")],
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=FORMATS, help="Train the first model then.  [default: after 10 % of the rows]"
        ),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=FORMATS, help="Stop then.  [default: the last row]")
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, max=10_000, help="Sets of values to try, the file's own first.")
    ] = 30,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Begin no trial after this time (2h).  [default: none]")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all that was found; - is standard output.")
    ] = None,
) -> None:
    """Search thresholds, windows and cooldowns of a policy on its history; print what to change."""
    from ctrain.app.tuning import Wanted, run_tuning

    wanted = Wanted(
        trials=trials,
        timeout=parse_length("--timeout", timeout),
        starts_at=since.replace(tzinfo=UTC) if since else None,
        ends_at=until.replace(tzinfo=UTC) if until else None,
    )
    with show_progress() as told:
        found = run_tuning(policy, wanted, os.environ, told)
    if json_file is None or str(json_file) != "-":
        _print(found)
    if json_file is not None:
        write_document(json_file, found.to_json())


def _print(found: Tuned) -> None:
    from ctrain.backtest.frontier import RULE

    print(
        f"searched: {found.starts_at:%Y-%m-%d %H:%M} to {found.split_at:%Y-%m-%d %H:%M} UTC, "
        f"{found.trials} sets of values; rest: from there to {found.ends_at:%Y-%m-%d %H:%M} UTC. "
        "The search never sees the rest."
    )
    if found.refused:
        print(f"passed over: {found.refused} sets of values that contradict each other or reach nothing")
    columns = ["trial", found.metric_name, "retrains", "train seconds"]
    print_table(
        [*columns, *(f"rest: {name}" for name in columns[1:]), "holds on the rest", "changes"],
        [_row(found, one) for one in found.shown],
        f"{found.name}: the policy as it is written (0), and the frontier of the search",
    )
    print(
        "The metric on the searched part flatters, for values were chosen by it; the rest is the honest one."
    )
    print(f"picked: trial {found.picked.number}, {RULE}")
    print(found.verdict)
    print(found.difference, end="")


def _row(found: Tuned, one: Tried) -> list[object]:
    cells: list[object] = [one.number]
    for score in (one.search, found.rest[one.number]):
        cells += [f"{score.metric:.4f}", score.retrains, f"{score.train_seconds:.1f}"]
    changed = ", ".join(f"{name}: {old} -> {new}" for name, (old, new) in one.changes.items())
    return [*cells, "yes" if found.stands(one) else "no", changed or "none"]

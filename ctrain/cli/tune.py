"""``ctrain tune``: better thresholds, windows and cooldowns of a policy, by its history."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.output import guarded, print_table, say
from ctrain.cli.replay import (
    HistoryFiles,
    HistoryLabels,
    JsonFile,
    PolicyFile,
    Since,
    Until,
    as_utc,
    check_folder,
    ended_by_signals,
    parse_length,
    show,
    show_progress,
)

if TYPE_CHECKING:
    from ctrain.backtest.frontier import Tried, Tuned


def register(app: typer.Typer) -> None:
    app.command("tune")(guarded(tune))


def tune(
    policy: PolicyFile,
    since: Since = None,
    until: Until = None,
    history: HistoryFiles = None,
    history_labels: HistoryLabels = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, max=10_000, help="Sets of values to try, the file's own first.")
    ] = 30,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", help="Begin no trial after this time (2h).", show_default="none"),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Search thresholds, windows and cooldowns of a policy on its history; print what to change."""
    from ctrain.app.past_files import Past
    from ctrain.app.tuning import Wanted, run_tuning

    check_folder(json_file)
    wanted = Wanted(
        trials=trials,
        timeout=parse_length("--timeout", timeout),
        starts_at=as_utc(since),
        ends_at=as_utc(until),
    )
    with ended_by_signals(), show_progress() as told:
        found = run_tuning(policy, wanted, os.environ, told, Past(history, history_labels))
    show(found.to_json(), json_file, lambda: _print(found))


def _print(found: Tuned) -> None:
    from ctrain.backtest.frontier import RULE

    say(
        f"searched: {found.starts_at:%Y-%m-%d %H:%M} to {found.split_at:%Y-%m-%d %H:%M} UTC, "
        f"{found.trials} sets of values; rest: from there to {found.ends_at:%Y-%m-%d %H:%M} UTC. "
        "The search never sees the rest."
    )
    if found.refused:
        say(f"passed over: {found.refused} sets of values that contradict each other or reach nothing")
    columns = ["trial", found.metric_name, "retrains", "train seconds"]
    print_table(
        [*columns, *(f"rest: {name}" for name in columns[1:]), "holds on the rest", "changes"],
        [_row(found, one) for one in found.shown],
        f"{found.name}: the policy as it is written (0), and the frontier of the search",
    )
    say("The metric on the searched part flatters, for values were chosen by it; the rest is the honest one.")
    say(f"picked: trial {found.picked.number}, {RULE}")
    say(found.verdict)
    say(found.difference, end="")


def _row(found: Tuned, one: Tried) -> list[object]:
    cells: list[object] = [one.number]
    for score in (one.search, found.rest[one.number]):
        cells += [f"{score.metric:.4f}", score.retrains, f"{score.train_seconds:.1f}"]
    changed = ", ".join(f"{name}: {old} -> {new}" for name, (old, new) in one.changes.items())
    return [*cells, "yes" if found.stands(one) else "no", changed or "none"]

"""``ctrain backtest``: what a policy would have done over history."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.backtest.steps import GRID_STEPS, MOST_STEPS
from ctrain.cli.output import BAD_INPUT, fail, guarded, print_table, say
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
    from ctrain.backtest.result import Backtest, Happening, Outcome

MOST_EVENTS = 60
"""That the timeline shows; all are in the JSON document."""
LONG_TRAINING = 0.01
"""Share of the replayed time from which on what a training takes decides what comes of it."""


def register(app: typer.Typer) -> None:
    app.command("backtest")(guarded(backtest))


def backtest(
    policy: PolicyFile,
    since: Since = None,
    until: Until = None,
    history: HistoryFiles = None,
    history_labels: HistoryLabels = None,
    baselines: Annotated[
        str, typer.Option("--baselines", help="Strategies to compare with, by commas; none: an empty text.")
    ] = "never,periodic,always,adwin",
    step: Annotated[
        str | None,
        typer.Option(
            "--step", help="How often the engine looks (6h).", show_default=f"at most {MOST_STEPS} times"
        ),
    ] = None,
    grid: Annotated[
        int,
        typer.Option("--grid", min=2, max=1000, help="Parts of the time: always retrains after each."),
    ] = GRID_STEPS,
    training_time: Annotated[
        str | None,
        typer.Option(
            "--training-time", help="What a training takes (30m).", show_default="as long as it takes"
        ),
    ] = None,
    json_file: JsonFile = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page for people.")] = None,
) -> None:
    """Replay history through a policy, beside simpler strategies; nothing of it touches MLflow."""
    from ctrain.app.backtesting import run_backtest, write_page
    from ctrain.app.past_files import Past
    from ctrain.backtest.perform import Choices

    check_folder(json_file, html_file)
    choices = Choices(
        baselines=_baselines(baselines),
        starts_at=as_utc(since),
        ends_at=as_utc(until),
        step=parse_length("--step", step),
        training_time=parse_length("--training-time", training_time),
        grid_steps=grid,
    )
    with ended_by_signals(), show_progress() as told:
        found = run_backtest(policy, choices, os.environ, told, Past(history, history_labels))
    show(found.to_json(), json_file, lambda: _print(found, _notes(found, choices.training_time)))
    if html_file is not None:
        write_page(found, html_file, os.environ)


def _baselines(text: str) -> tuple[str, ...]:
    from ctrain.backtest.strategies import STRATEGIES

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown:
        fail(f"--baselines {unknown[0]}: expected some of {', '.join(STRATEGIES)}", BAD_INPUT)
    return names


def _notes(found: Backtest, training_time: timedelta | None) -> Iterator[str]:
    """Also whether trainings of this machine are long beside the time of the rows."""
    yield from found.notes
    share = found.first_train_seconds / (found.judged_until - found.judged_from).total_seconds()
    if training_time is None and share > LONG_TRAINING:
        yield (
            f"the first training took {found.first_train_seconds:.0f} s, {share:.0%} of the time that was "
            "replayed, and the old model serves meanwhile; --training-time says what a training takes"
        )


def _print(found: Backtest, notes: Iterable[str]) -> None:
    title = (
        f"{found.name}: {found.metric_name} of {found.policy.rows} rows, "
        f"{found.judged_from:%Y-%m-%d %H:%M} to {found.judged_until:%Y-%m-%d %H:%M} UTC"
    )
    columns = [
        "strategy", found.metric_name, "retrains", "promotions", "rollbacks", "train seconds", "rows trained",
    ]  # fmt: skip
    rows = [_row("policy", found.policy), *(_row(name, one) for name, one in found.baselines.items())]
    print_table(columns, rows, title)
    if found.regret is not None:
        say(f"regret against always: {found.regret.per_row:+.4f} a row, {found.regret.total:+.1f} in all")
    for reason, count in sorted(found.policy.suppressed.items()):
        say(f"suppressed by {reason}: {count}")
    for note in notes:
        say(f"note: {note}")
    if found.took is not None:
        say(f"took {found.took.seconds:.0f} s, {found.took.train_seconds:.0f} s of them trainings")
    _print_timeline(found)


def _row(name: str, one: Outcome) -> list[object]:
    return [
        name,
        f"{one.metric:.4f}",
        one.retrains,
        one.promotions,
        one.rollbacks,
        f"{one.train_seconds:.2f}",
        one.rows_trained,
    ]


def _print_timeline(found: Backtest) -> None:
    shown = found.events[-MOST_EVENTS:]
    left_out = len(found.events) - len(shown)
    title = f"timeline (the last {MOST_EVENTS}; {left_out} earlier in --json)" if left_out else "timeline"
    print_table(["at", "run", "what", "trigger", "why"], map(_line, shown), title)


def _line(one: Happening) -> list[object]:
    why = one.message.partition("\n")[0]  # without the log that may follow
    return [f"{one.at:%Y-%m-%d %H:%M}", one.run, one.kind.removeprefix("run_"), one.trigger, why]

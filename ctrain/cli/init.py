"""``ctrain init``: a first policy from a Parquet file of past rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctrain.cli.options import AsJson
from ctrain.cli.output import BAD_INPUT, fail, guarded, print_json


def register(app: typer.Typer) -> None:
    app.command("init")(guarded(init))


def init(
    name: Annotated[str, typer.Argument(help="Name of the policy and of the model.", metavar="NAME")],
    from_parquet: Annotated[
        Path, typer.Option("--from-parquet", help="Parquet file of past rows with labels.")
    ],
    label: Annotated[list[str], typer.Option("--label", help="Column that the model predicts.")],
    event_time: Annotated[
        str | None,
        typer.Option(
            "--event-time", help="Column that says when a row happened; default: the order of the rows."
        ),
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", help="IANA zone of event times that name none.")
    ] = "UTC",
    row_id: Annotated[
        str | None, typer.Option("--id", help="Column that identifies a row; default: rows are numbered.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop", help="Column that is no feature, such as one known too late; may be repeated."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="binary, multiclass or regression; default: by the label's values."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: NAME.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a first policy and its training file from a Parquet file, ready to validate and run."""
    from ctrain.app.drafting import Wish, draft_policy, write_draft

    if len(label) != 1:
        given = ", ".join(label)
        fail(f"--label: got {given}; a policy predicts one column: make one policy for each", BAD_INPUT)
    wish = Wish(name, from_parquet, label[0], event_time, timezone, row_id, tuple(drop or ()), task, out)
    draft = draft_policy(wish, force=force)
    write_draft(draft)
    if as_json:
        print_json(draft.to_json())
        return
    found = draft.findings
    print(f"{found.history.label.task.value}, {len(found.chosen.names)} features, {found.pace.rows:,} rows")
    for note in draft.notes:
        print(f"note: {note}")
    for path in draft.files:
        print(f"wrote {path}")
    print(f"next: ctrain validate {draft.policy}; {_try(draft.policy, event_time)}")


def _try(policy: Path, event_time: str | None) -> str:
    """Made-up times are good for a backtest alone, where no real length of a training fits them."""
    if event_time is None:
        return f"ctrain backtest {policy} --training-time 1s"
    return f"ctrain backtest {policy}; ctrain run {policy}"

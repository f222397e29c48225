"""The options of ``ctrain init``, and all that was asked for by them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str | None, typer.Argument(help="Name of the policy and of the model.", metavar="NAME")]
FromFile = Annotated[
    Path | None,
    typer.Option(
        "--from",
        "--from-parquet",
        help="File of past rows with labels: *.parquet, *.csv or *.jsonl, the texts also *.gz and *.zst.",
    ),
]
FromModel = Annotated[
    str | None,
    typer.Option("--from-model", help="Registered model with a champion, instead of a file of rows."),
]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Column that the model predicts.")]
EventTime = Annotated[
    str | None,
    typer.Option(
        "--event-time", help="Column that says when a row happened; default: the order of the rows."
    ),
]
TimeZone = Annotated[str, typer.Option("--timezone", help="IANA zone of event times that name none.")]
RowId = Annotated[
    str | None, typer.Option("--id", help="Column that identifies a row; default: rows are numbered.")
]
Drop = Annotated[
    list[str] | None,
    typer.Option("--drop", help="Column that is no feature, such as one known too late; may be repeated."),
]
TaskName = Annotated[
    str | None,
    typer.Option("--task", help="binary, multiclass or regression; default: by the label's values."),
]
Push = Annotated[
    bool, typer.Option("--push", help="Rows and labels come over HTTP; prints the commands that send them.")
]
Python = Annotated[
    str | None,
    typer.Option("--python", help="Interpreter that loads the model of --from-model; default: ctrain's own."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: NAME.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a draft was asked for so far; None: not given."""

    name: str | None = None
    file: Path | None = None
    model: str | None = None
    label: str | None = None
    event_time: str | None = None
    timezone: str = "UTC"
    id: str | None = None
    drop: tuple[str, ...] = ()
    task: str | None = None
    push: bool = False
    out: Path | None = None
    force: bool = False
    python: str | None = None

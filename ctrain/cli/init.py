"""``ctrain init``: a first policy from a file of past rows, or from the signature of a registered model."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.init_questions import Answers, ask_columns, ask_for_file, missing, on_terminal
from ctrain.cli.options import AsJson, Home, load_settings
from ctrain.cli.output import BAD_INPUT, fail, guarded, print_json

if TYPE_CHECKING:
    from ctrain.app.drafting import Draft
    from ctrain.app.model_drafting import ModelDraft


def register(app: typer.Typer) -> None:
    app.command("init")(guarded(init))


def init(
    name: Annotated[
        str | None, typer.Argument(help="Name of the policy and of the model.", metavar="NAME")
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            "--from-parquet",
            help="File of past rows with labels: *.parquet, *.csv or *.jsonl, the texts also *.gz and *.zst.",
        ),
    ] = None,
    from_model: Annotated[
        str | None,
        typer.Option("--from-model", help="Registered model with a champion, instead of a file of rows."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Column that the model predicts.")
    ] = None,
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
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write a first policy and its training file; on a terminal it asks for what is not given."""
    if label is not None and len(label) > 1:
        given = ", ".join(label)
        fail(f"--label: got {given}; a policy predicts one column: make one policy for each", BAD_INPUT)
    answers = Answers(name, from_file, from_model, label[0] if label else None, event_time, row_id, out)
    _check_sources(answers, drop)
    asking = bool(missing(answers)) and on_terminal() and not as_json
    if asking and answers.model is None:
        answers = ask_for_file(answers)
    with ExitStack() as stack:
        parquet = None if answers.file is None else stack.enter_context(_opened(answers.file))
        if asking:
            answers = ask_columns(answers, parquet)
        if lacking := missing(answers):
            fail(f"missing: {'; '.join(lacking)}", BAD_INPUT)
        if answers.model is not None:
            _from_model(answers, timezone, task, force, home, as_json)
        else:
            _from_file(answers, parquet, timezone, tuple(drop or ()), task, force, as_json)


def _check_sources(answers: Answers, drop: list[str] | None) -> None:
    if answers.model is None:
        return
    if answers.file is not None:
        fail("--from-model: --from is given, too; a policy is drafted from one of them", BAD_INPUT)
    if drop:
        fail("--drop: the features are those of the model's signature", BAD_INPUT)


def _opened(file: Path) -> AbstractContextManager[Path]:
    from ctrain.app.drafts.as_parquet import as_parquet

    return as_parquet(file)


def _from_file(
    answers: Answers,
    parquet: Path | None,
    timezone: str,
    drop: tuple[str, ...],
    task: str | None,
    force: bool,
    as_json: bool,
) -> None:
    from ctrain.app.drafting import Wish, draft_policy, write_draft

    wish = Wish(
        str(answers.name),
        Path(str(answers.file)),
        str(answers.label),
        answers.event_time,
        timezone,
        answers.id,
        drop,
        task,
        answers.out,
        parquet,
    )
    draft = draft_policy(wish, force=force)
    write_draft(draft)
    if as_json:
        print_json(draft.to_json())
    else:
        _tell(draft, answers.event_time)


def _tell(draft: Draft, event_time: str | None) -> None:
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


def _from_model(
    answers: Answers, timezone: str, task: str | None, force: bool, home: Path | None, as_json: bool
) -> None:
    from ctrain.app.model_drafting import ModelWish, draft_for_model

    wish = ModelWish(
        str(answers.name),
        str(answers.model),
        str(answers.label),
        str(answers.event_time),
        str(answers.id),
        timezone,
        task,
        answers.out,
    )
    draft = draft_for_model(load_settings(home), wish, force=force)
    draft.write()
    if as_json:
        print_json(draft.to_json())
    else:
        _tell_of_model(draft)


def _tell_of_model(draft: ModelDraft) -> None:
    report = draft.report
    features = len(report.numeric) + len(report.categorical)
    print(f"{report.model} version {report.version} ({report.output_kind} output): {features} features")
    print(f"wrote {draft.policy}\nwrote {draft.training}")
    rows, labels = draft.folders
    print(f"next: rows go to {rows}, labels to {labels}; read the places marked (?); then")
    print(f"ctrain adopt {report.model}; ctrain validate {draft.policy}; ctrain run {draft.policy}")

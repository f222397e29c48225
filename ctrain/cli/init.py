"""``ctrain init``: a first policy from a file of past rows, or from the signature of a registered model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from ctrain.cli import init_options as options
from ctrain.cli.init_options import Asked
from ctrain.cli.init_questions import ask_columns, ask_for_file, missing, on_terminal
from ctrain.cli.options import AsJson, Home, load_settings
from ctrain.cli.output import BAD_INPUT, fail, guarded, print_json, say

if TYPE_CHECKING:
    from ctrain.app.drafting import Draft
    from ctrain.app.model_drafting import ModelDraft


def register(app: typer.Typer) -> None:
    app.command("init")(guarded(init))


def init(
    name: options.Name = None,
    from_file: options.FromFile = None,
    from_model: options.FromModel = None,
    label: options.Labels = None,
    event_time: options.EventTime = None,
    timezone: options.TimeZone = "UTC",
    row_id: options.RowId = None,
    drop: options.Drop = None,
    task: options.TaskName = None,
    push: options.Push = False,
    python: options.Python = None,
    out: options.Out = None,
    force: options.Force = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write a first policy and its training file; on a terminal it asks for what is not given."""
    dropped = tuple(drop or ())
    asked = Asked(
        name,
        from_file,
        from_model,
        _one(label),
        event_time,
        timezone,
        row_id,
        dropped,
        task,
        push,
        out,
        force,
        python,
    )
    _check_sources(asked)
    with ExitStack() as stack:
        asked, parquet = _completed(asked, stack, on_terminal() and not as_json)
        if asked.model is not None:
            _from_model(asked, home, as_json)
        else:
            _from_file(asked, parquet, as_json)


def _one(labels: Sequence[str] | None) -> str | None:
    if labels is not None and len(labels) > 1:
        given = ", ".join(labels)
        fail(f"--label: got {given}; a policy predicts one column: make one policy for each", BAD_INPUT)
    return labels[0] if labels else None


def _check_sources(asked: Asked) -> None:
    if asked.model is None:
        if asked.python is not None:
            fail("--python: it loads the model of --from-model, which is not given", BAD_INPUT)
        return
    if asked.file is not None:
        fail("--from-model: --from is given, too; a policy is drafted from one of them", BAD_INPUT)
    if asked.drop:
        fail("--drop: the features are those of the model's signature", BAD_INPUT)


def _completed(asked: Asked, stack: ExitStack, may_ask: bool) -> tuple[Asked, Path | None]:
    """All that a draft needs, and the file of past rows as Parquet while the stack is open."""
    asking = bool(missing(asked)) and may_ask
    if asking and asked.model is None:
        asked = ask_for_file(asked)
    parquet = None if asked.file is None else stack.enter_context(_opened(asked.file))
    if asking:
        asked = ask_columns(asked, parquet)
    if lacking := missing(asked):
        fail(f"missing: {'; '.join(lacking)}", BAD_INPUT)
    return asked, parquet


def _opened(file: Path) -> AbstractContextManager[Path]:
    from ctrain.app.drafts.as_parquet import as_parquet

    return as_parquet(file)


def _from_file(asked: Asked, parquet: Path | None, as_json: bool) -> None:
    from ctrain.app.drafting import Wish, draft_policy, write_draft

    wish = Wish(
        name=str(asked.name),
        file=Path(str(asked.file)),
        label=str(asked.label),
        event_time=asked.event_time,
        timezone=asked.timezone,
        id=asked.id,
        drop=asked.drop,
        task=asked.task,
        out=asked.out,
        parquet=parquet,
        push=asked.push,
    )
    draft = draft_policy(wish, force=asked.force)
    send = write_draft(draft)
    if as_json:
        print_json({**draft.to_json(), **({"send": send} if send else {})})
    else:
        _tell(draft, asked.event_time, send)


def _tell(draft: Draft, event_time: str | None, send: Sequence[str]) -> None:
    found = draft.findings
    say(f"{found.history.label.task.value}, {len(found.chosen.names)} features, {found.pace.rows:,} rows")
    for note in draft.notes:
        say(f"note: {note}")
    for path in draft.files:
        say(f"wrote {path}")
    policy = quote(str(draft.policy))
    if send:
        say(f"next: ctrain validate {policy}; ctrain run {policy}")
        _tell_how_to_send(send)
    else:
        say(f"next: ctrain validate {policy}; {_try(policy, event_time)}")


def _tell_how_to_send(send: Sequence[str]) -> None:
    say("while it runs, from another terminal:")
    for command in send:
        say(command)


def _try(policy: str, event_time: str | None) -> str:
    """Made-up times are good for a backtest alone, where no real length of a training fits them."""
    if event_time is None:
        return f"ctrain backtest {policy} --training-time 1s"
    return f"ctrain backtest {policy}; ctrain run {policy}"


def _from_model(asked: Asked, home: Path | None, as_json: bool) -> None:
    from ctrain.app.model_drafting import ModelWish, draft_for_model

    wish = ModelWish(
        name=str(asked.name),
        model=str(asked.model),
        label=str(asked.label),
        event_time=str(asked.event_time),
        id=str(asked.id),
        timezone=asked.timezone,
        task=asked.task,
        out=asked.out,
        push=asked.push,
        python=asked.python or "",
    )
    draft = draft_for_model(load_settings(home), wish, force=asked.force)
    draft.write()
    if as_json:
        print_json(draft.to_json())
    else:
        _tell_of_model(draft)


def _tell_of_model(draft: ModelDraft) -> None:
    report = draft.report
    features = sum(map(len, report.features.values()))
    say(f"{report.model} version {report.version} ({report.output_kind} output): {features} features")
    say(f"wrote {draft.policy}\nwrote {draft.training}")
    if draft.folders:
        rows, labels = draft.folders
        say(f"next: rows go to {rows}, labels to {labels}; read the places marked (?); then")
    else:
        say("next: read the places marked (?); then")
    model, policy = quote(report.model), quote(str(draft.policy))
    say(f"ctrain adopt {model}; ctrain validate {policy}; ctrain run {policy}")
    if draft.send:
        _tell_how_to_send(draft.send)

"""What ``ctrain init`` asks for on a terminal, when it was not told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ctrain.cli.init_options import Asked
from ctrain.cli.output import say
from ctrain.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def on_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def missing(asked: Asked) -> list[str]:
    """Return what a draft cannot do without, in the words of the command."""
    return list(_missing(asked))


def _missing(asked: Asked) -> Iterator[str]:
    if asked.name is None:
        yield "NAME, of the policy and of the model"
    if asked.file is None and asked.model is None:
        yield "--from FILE of past rows, or --from-model MODEL"
    if asked.label is None:
        yield "--label COLUMN, what the model predicts"
    if (asked.model is not None or asked.push) and asked.event_time is None:
        yield "--event-time COLUMN, when a row happened"
    if asked.model is not None and asked.id is None:
        yield "--id COLUMN, what identifies a row"


def ask_for_file(asked: Asked) -> Asked:
    """Return the answers with a name and a file that can be read."""
    name = asked.name or _ask("Name of the policy and of the model", _checked_name)
    file = asked.file or Path(_ask("File of past rows (Parquet, CSV or JSON lines)", _checked_file))
    return replace(asked, name=name, file=file)


def ask_columns(asked: Asked, parquet: Path | None) -> Asked:
    """Return the answers with what each column is for; those of ``parquet`` are offered."""
    name = asked.name or _ask("Name of the policy and of the model", _checked_name)
    columns, instants, ids = _columns(parquet)
    if columns:
        say(f"Columns: {', '.join(columns)}")
    check = _column_of(columns)
    label = asked.label or _ask("Column that the model predicts", check)
    time, row_id = asked.event_time, asked.id
    if parquet is None:  # the signature of a model names neither, and its rows need both
        time = time or _ask("Column that says when a row happened", check)
        row_id = row_id or _ask("Column that identifies a row", check)
    else:
        time = time or _ask_for_time(asked.push, check, instants)
        row_id = row_id or _ask_or_none("Column that identifies a row (-: number them)", check, ids)
    out = asked.out or Path(typer.prompt("Folder to write to", default=name))
    return replace(asked, name=name, label=label, event_time=time, id=row_id, out=out)


def _ask_for_time(push: bool, check: Callable[[str], str], instants: Sequence[str]) -> str | None:
    if push:
        return _ask("Column that says when a row happened", check, instants)
    return _ask_or_none("Column that says when a row happened (-: their order does)", check, instants)


def _columns(parquet: Path | None) -> tuple[list[str], list[str], list[str]]:
    """Names of all columns, of those that hold instants, and of those that identify a row."""
    if parquet is None or not parquet.is_file():
        return [], [], []
    import pyarrow as pa

    from ctrain.app.drafts.features import is_named_as_id
    from ctrain.app.scanning import read_footer

    schema = read_footer(parquet).schema.to_arrow_schema()
    instants = [one.name for one in schema if pa.types.is_timestamp(one.type)]
    named = [one.name for one in schema if is_named_as_id(one.name) and _is_plain(one.type)]
    ids = [name for name in named if _all_differ(parquet, name)]
    return schema.names, instants, ids


def _is_plain(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _all_differ(parquet: Path, name: str) -> bool:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    values = pq.read_table(parquet, columns=[name])[name]
    return bool(pc.count_distinct(values, mode="only_valid").as_py() == len(values) > 0)


def _ask(question: str, check: Callable[[str], str], offered: Sequence[str] = ()) -> str:
    default = offered[0] if offered else None
    answer: str = typer.prompt(question, default=default, value_proc=_again_when_wrong(check))
    return answer


def _ask_or_none(question: str, check: Callable[[str], str], offered: Sequence[str]) -> str | None:
    default = offered[0] if offered else "-"
    answer: str = typer.prompt(
        question,
        default=default,
        value_proc=_again_when_wrong(lambda text: text if text == "-" else check(text)),
    )
    return None if answer == "-" else answer


def _again_when_wrong(check: Callable[[str], str]) -> Callable[[Any], str]:
    """Let a wrong answer be asked for again, with what is wrong with it."""

    def checked(text: Any) -> str:
        try:
            return check(str(text).strip())
        except InputError as error:
            raise typer.BadParameter(str(error)) from error

    return checked


def _checked_name(text: str) -> str:
    from ctrain.app.drafts.asked import check_name

    check_name(text)
    return text


def _checked_file(text: str) -> str:
    if not Path(text).is_file():
        raise InputError(
            f"{text}: {'is a folder; name one file of it' if Path(text).is_dir() else 'no such file'}"
        )
    return text


def _column_of(columns: Sequence[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        from ctrain.policy.words import did_you_mean

        if columns and text not in columns:
            raise InputError(f"there is no column {text!r}{did_you_mean(text, columns)}")
        return text

    return check

"""What commands over history share: options, lengths of time, bars of progress, the document they write."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ctrain.cli.output import BAD_INPUT, fail
from ctrain.errors import InputError

FORMATS = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
STANDARD_OUTPUT = Path("-")

PolicyFile = Annotated[Path, typer.Argument(help="File of the policy.", metavar="POLICY")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        formats=FORMATS,
        metavar="TIME",
        help="Train the first model then; 2024-03-04, or with a time of day in UTC.",
        show_default="after 10 % of the rows",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--to",
        formats=FORMATS,
        metavar="TIME",
        help="Stop then, or once all labels have matured.",
        show_default="the last row",
    ),
]
HistoryFiles = Annotated[
    Path | None,
    typer.Option(
        "--history",
        metavar="PATH",
        help="File, folder or glob of past rows, like the files of data.source, to replay instead of it.",
        show_default="data.source",
    ),
]
HistoryLabels = Annotated[
    Path | None,
    typer.Option(
        "--history-labels",
        metavar="PATH",
        help="File, folder or glob of their labels, instead of data.labels.source.",
        show_default="data.labels.source",
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write all that was found; - is standard output.")
]


def as_utc(instant: datetime | None) -> datetime | None:
    """An instant of the command line; UTC is meant where it names no zone.

    >>> as_utc(datetime(2024, 3, 4))
    datetime.datetime(2024, 3, 4, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC) if instant else None


def check_folder(*files: Path | None) -> None:
    """End the command now when a file that it is to write at its end has no folder to lie in, or is one."""
    for file in files:
        if file is not None and file != STANDARD_OUTPUT and not file.parent.is_dir():
            fail(f"{file}: cannot be written: there is no folder {file.parent}", BAD_INPUT)
        if file is not None and file.is_dir():
            fail(f"{file}: cannot be written: it is a folder; name a file", BAD_INPUT)


def parse_length(option: str, text: str | None) -> timedelta | None:
    """The duration that ``text`` means; ends the command when it means none above zero."""
    from ctrain.policy.fields import parse_duration

    if text is None:
        return None
    try:
        found = parse_duration(text)
    except ValueError as error:
        fail(f"{option} {text}: {error}", BAD_INPUT)
    if not isinstance(found, timedelta) or not found:
        fail(f"{option} {text}: expected a duration above zero", BAD_INPUT)
    return found


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does: what it keeps in memory for history is removed.

    A signal that is ignored, as by nohup, stays ignored.
    """
    deadly = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) == signal.SIG_DFL]
    for number in deadly:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in deadly:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def show_progress() -> Iterator[Callable[[str, float], None]]:
    """Bars on standard error, one for each name, where somebody sees them."""
    if not sys.stderr.isatty():
        yield lambda _name, _share: None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def told(name: str, share: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0)
            bars.update(tasks[name], completed=share)

        yield told


def show(document: Mapping[str, Any], json_file: Path | None, print_it: Callable[[], None]) -> None:
    """Print what was found for people, and write it as JSON where that is wanted; - is standard output.

    Raises
    ------
    InputError
        when the file cannot be written.
    """
    if json_file != STANDARD_OUTPUT:
        print_it()
    if json_file is not None:
        _write(json_file, document)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2) + "\n"
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error

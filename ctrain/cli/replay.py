"""What commands over history share: dates, lengths of time, bars of progress and the document they write."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ctrain.cli.output import fail
from ctrain.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def parse_length(option: str, text: str | None) -> timedelta | None:
    """The duration that ``text`` means; ends the command when it means none above zero."""
    from ctrain.policy.fields import parse_duration

    if text is None:
        return None
    try:
        found = parse_duration(text)
    except ValueError as error:
        fail(f"{option} {text}: {error}", 2)
    if not isinstance(found, timedelta) or not found:
        fail(f"{option} {text}: expected a duration above zero", 2)
    return found


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


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON to ``path``; - is standard output.

    Raises
    ------
    InputError
        when the file cannot be written.
    """
    text = json.dumps(document, indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error

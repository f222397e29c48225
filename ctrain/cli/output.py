"""What commands print and how they end: text or JSON, and the exit codes of the contract."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer

from ctrain.errors import CtrainError, InputError, PolicyError

DONE = 0
FAILED = 1
BAD_INPUT = 2
BREACHED = 3

LONGEST_WORD = 32
FOLDED = 12
"""Columns of a terminal that a text needs to be read in lines below each other."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_PLACE = {
    errno.EACCES: "run the command as a user who may",
    errno.EPERM: "run the command as a user who may",
    errno.EROFS: "name another place",
    errno.ENAMETOOLONG: "name another place",
}
"""What is wrong with a path that was named, and what to do."""

P = ParamSpec("P")
R = TypeVar("R")


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """The command with our exceptions, and those of places and disks, as a message and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (PolicyError, InputError) as error:
            fail(str(error), BAD_INPUT)
        except CtrainError as error:
            fail(str(error), FAILED)
        except OSError as error:
            _fail_on_place(error)
            raise

    return run


def _fail_on_place(error: OSError) -> None:
    """Say what to do about a disk that is full, or a path that this user has no access to; else nothing."""
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _FULL:
        fail(f"{place}{os.strerror(error.errno)}; make room, then run the command again", FAILED)
    if place and error.errno in _NO_PLACE:
        fail(f"{place}{os.strerror(error.errno)}; {_NO_PLACE[error.errno]}", BAD_INPUT)


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print ``message`` on stderr, without the secrets of the environment, and end with ``code``."""
    from ctrain.telemetry.logs import Redactor

    print(shown(Redactor(os.environ).redact(message)), file=sys.stderr)
    raise typer.Exit(code)


def say(text: object, *, err: bool = False, end: str = "\n") -> None:
    """Print a text for people, its control characters as escapes."""
    print(shown(str(text)), end=end, file=sys.stderr if err else sys.stdout)


def print_draft(text: str) -> None:
    """Print a text that is made to be kept in a file, as it is."""
    print(text)


def print_json(value: Any) -> None:
    """Print one JSON document; numbers that JSON does not have become null."""
    print(json.dumps(_plain(value), indent=2, default=str))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table: fitted to a terminal, or for a file or another program a line for each row, uncut."""
    cells = [["" if cell is None else shown(str(cell)) for cell in row] for row in rows]
    title = shown(title) if title else title
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        _print_fitted(columns, cells, title)
    else:
        _print_lines(columns, cells, title)


def shown(text: str) -> str:
    r"""The text with control characters as escapes: values of rows may hold what steers a terminal.

    >>> shown("a\x1b[2Jb\n")
    'a\\x1b[2Jb\n'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


def _print_fitted(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> None:
    """Long texts are folded; short words such as ids and phases are never cut.

    Where the terminal is too narrow even for these, each row is written below the one before.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(title=title, title_justify="left", header_style="bold", show_header=any(columns))
    least = 1
    for position, name in enumerate(columns):
        cells = [row[position] for row in rows]
        whole = all(map(_is_word, cells))
        least += 3 + (max(map(len, [name, *cells])) if whole else FOLDED)
        table.add_column(name, no_wrap=whole, overflow="fold")
    if least > console.width and any(columns):
        _print_below(columns, rows, title)
        return
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _print_below(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> None:
    """Every cell that says something in a line, after the name of its column."""
    if title:
        print(title)
    for row in rows:
        told = [f"{name}: {cell}" for name, cell in zip(columns, row, strict=True) if cell]
        print("\n".join(told), end="\n\n")


def _print_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> None:
    """Two spaces part the columns."""
    rows = [[cell.replace("\n", " ") for cell in row] for row in rows]
    lines = [columns, *rows] if any(columns) else rows
    widths = [max(map(len, column), default=0) for column in zip(*lines, strict=True)]
    if title:
        print(title)
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _is_word(cell: str) -> bool:
    return len(cell) <= LONGEST_WORD and " " not in cell

"""What ``ctrain init`` was asked for, and whether it can be done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

from ctrain.app.drafts.wording import UNNAMEABLE, is_nameable
from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.policy.fields import check_zone
from ctrain.policy.words import did_you_mean

LEAST_ROWS = 100
"""Fewer rows train nothing."""
_NAMED_COLUMNS = 12
"""So many are listed for a person who named another."""
POLICY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    name: str
    file: Path
    label: str
    event_time: str | None = None
    timezone: str = "UTC"
    id: str | None = None
    drop: tuple[str, ...] = ()
    task: str | None = None
    out: Path | None = None
    parquet: Path | None = None
    """The rows of ``file`` as Parquet, where that is a file of text."""
    push: bool = False
    """Rows and labels come over HTTP."""

    @property
    def table(self) -> Path:
        """The Parquet file that is read."""
        return self.parquet or self.file


def check_wish(wish: Wish, places: Sequence[Path], force: bool) -> None:
    """Raise InputError for a name or zone that is none, and for files that are there already."""
    check_name(wish.name)
    check_time_zone(wish.timezone)
    check_free(places, force)
    if wish.push and wish.event_time is None:
        raise InputError("--push: rows that are sent say when they happened; name the column by --event-time")
    source = (wish.file, *wish.file.absolute().parents) if wish.file.exists() else ()
    if any(path.exists() and path.samefile(one) for path in places for one in source):
        raise InputError(f"{wish.file}: is a file of the draft itself; read the rows from another one")


def check_name(name: str) -> None:
    """Raise InputError for what cannot be the name of a policy."""
    if not POLICY_NAME.fullmatch(name):
        raise InputError(f"{name}: expected a name of letters, digits, '_', '.' and '-', at most 63 of them")


def check_time_zone(zone: str) -> None:
    """Raise InputError for what is no zone."""
    try:
        check_zone(zone)
    except ValueError as error:
        meant = did_you_mean(zone, available_timezones())
        raise InputError(f"--timezone: {error}, got {zone}{meant}") from error


def check_free(places: Sequence[Path], force: bool) -> None:
    """Raise InputError for files that are there already, unless they may be replaced."""
    there = [path for path in places if path.exists()]
    if there and not force:
        raise InputError(f"{there[0]}: is there already; --force replaces it, --out names another folder")


def module_name(policy: str) -> str:
    """Return the name of the Python module that trains for a policy.

    >>> module_name("eu-clicks")
    'train_eu_clicks'
    """
    return "train_" + re.sub(r"\W", "_", policy, flags=re.ASCII)


def open_file(wish: Wish) -> TableFiles:
    """Return the file of past rows; raises InputError when it is none, or too short."""
    path = wish.file
    if path.is_dir() or not path.exists():
        missing = "is a folder; name one file of it" if path.is_dir() else "no such file"
        raise InputError(f"--from {path}: {missing}")
    files = TableFiles.find([wish.table])
    if files.rows < LEAST_ROWS:
        raise InputError(f"--from {path}: {files.rows} rows are too few to train; expected {LEAST_ROWS}")
    return files


def check_columns(wish: Wish, names: Sequence[str]) -> None:
    """Raise InputError for a column that the file lacks, a policy cannot name, or that is given twice."""
    given = [("--label", wish.label), ("--event-time", wish.event_time), ("--id", wish.id)]
    for option, name in [*given, *(("--drop", name) for name in wish.drop)]:
        if name is not None and name not in names:
            raise InputError(f"{option}: {wish.file} has no column {name!r}{_meant(name, names)}")
    for option, name in given:
        if name is not None:
            check_nameable(option, name)
    used: dict[str, str] = {}
    for option, name in [*given, *(("--drop", name) for name in dict.fromkeys(wish.drop))]:
        if name is not None and used.setdefault(name, option) != option:
            raise InputError(f"{option}: {name} is given as {used[name]}, too")


def check_nameable(option: str, column: str) -> None:
    """Raise InputError for a column that a policy cannot name."""
    if not is_nameable(column):
        raise InputError(f"{option}: a policy cannot name {column!r}: {UNNAMEABLE}")


def _meant(name: str, names: Sequence[str]) -> str:
    """What may have been meant by a column that is not there: the nearest one, else those that are."""
    more = f" and {len(names) - _NAMED_COLUMNS} more" if len(names) > _NAMED_COLUMNS else ""
    return did_you_mean(name, names) or f"; it has {', '.join(names[:_NAMED_COLUMNS])}{more}"

"""What a policy finds around it: its training code, its interpreters, and the columns and rate of its files.

A policy may be right and yet have nothing to run: its file is checked on one machine and run on another, and
rows come later. So what is missing is a notice and no error.
"""

from __future__ import annotations

import ast
import csv
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ctrain.app.seen_rate import seen_rows_per_day
from ctrain.errors import CtrainError
from ctrain.policy.checks import check_rates
from ctrain.policy.data import DataSpec, FilesSource
from ctrain.policy.loaded import LoadedPolicy
from ctrain.policy.models import Policy
from ctrain.policy.words import did_you_mean
from ctrain.sources.formats import format_of
from ctrain.sources.listing import Listing

LONGEST_HEADER = 1 << 20


def missing_around(loaded: LoadedPolicy) -> list[str]:
    """Return what a run of the policy would miss here and now, each with its key."""
    return [
        *_missing_code(loaded.policy, loaded.folder),
        *_missing_interpreters(loaded.policy),
        *_missing_columns(loaded.policy.data, loaded.folder),
        *_missing_rows(loaded.policy, loaded.folder),
    ]


def _missing_code(policy: Policy, folder: Path) -> Iterator[str]:
    train = policy.train
    named = {"train.entrypoint": (train.entrypoint,), "train.candidates": train.candidates or ()}
    for key, entrypoints in named.items():
        for entrypoint in filter(None, entrypoints):
            module, _, function = str(entrypoint).partition(":")
            path = _module_file(folder, module)
            if path is None:
                yield f"{key}: there is no {module}.py beside the policy: training will fail"
            elif (functions := _names_in(path)) and function not in functions:
                hint = did_you_mean(function, functions)
                yield f"{key}: {path.name} has no function {function!r}{hint}: training will fail"


def _module_file(folder: Path, module: str) -> Path | None:
    plain = module.removesuffix(".py")
    places = (
        folder / f"{plain}.py",
        folder / f"{module.replace('.', '/')}.py",
        folder / plain / "__init__.py",
    )
    return next((place for place in places if place.is_file()), None)


def _names_in(path: Path) -> list[str]:
    """Names that a file defines or imports at its top; none when that cannot be told without running it."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return []
    found: list[str] = []
    for node in tree.body:
        names = _names_of(node)
        if names is None:
            return []
        found += names
    return found


def _names_of(node: ast.stmt) -> list[str] | None:
    """Names that a statement defines; None where that shows only when it is run."""
    match node:
        case ast.ImportFrom(names=[ast.alias(name="*")]):
            return None
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [one.asname or one.name for one in names]
        case ast.Assign(targets=targets):
            return [one.id for one in targets if isinstance(one, ast.Name)]
        case ast.Expr() | ast.AnnAssign():
            return []
        case _:
            return None


def _missing_interpreters(policy: Policy) -> Iterator[str]:
    for key, python in (("model.python", policy.model.python), ("train.python", policy.train.python)):
        if python is not None and shutil.which(python) is None:
            yield f"{key}: {python} is no program that can be run here"


def _missing_columns(data: DataSpec, folder: Path) -> Iterator[str]:
    labels = data.labels
    in_files = data.columns
    rows = {"data.id": data.id, "data.event_time.column": data.event_time.column}
    rows |= {f"data.features ({name})": name for name in data.features.names}
    if labels.source is None:
        rows["data.labels.label"] = labels.label
    else:
        wanted = {"data.labels.id": labels.id or data.id, "data.labels.label": labels.label}
        yield from _columns_missing_in(labels.source, folder, wanted, in_files)
    yield from _columns_missing_in(data.source, folder, rows, in_files)


def _missing_rows(policy: Policy, folder: Path) -> list[str]:
    """Numbers of rows that monitors and the shadow wait for, and that come too seldom."""
    try:
        rate = seen_rows_per_day(policy, folder)
    except (CtrainError, OSError):
        return []  # the daemon says why
    return check_rates(policy, rate) if rate is not None else []


def _columns_missing_in(
    source: object, folder: Path, wanted: Mapping[str, str], in_files: Mapping[str, str]
) -> Iterator[str]:
    if not isinstance(source, FilesSource):
        return
    try:
        files = [Path(path) for path in Listing(source.path, folder, declared=source.format).files().values()]
        newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
        there = _columns_of(newest) if newest is not None else []
    except (CtrainError, OSError, ValueError, csv.Error):
        return  # what is wrong with it the daemon says when it reads it
    for key, name in wanted.items():
        path = in_files.get(name, name)
        column = path.partition(".")[0]
        if there and newest is not None and path not in there and column not in there:
            yield f"{key}: {newest.name} has no column {column!r}{did_you_mean(column, there)}"


def _columns_of(path: Path) -> list[str]:
    """Names of the columns of a file where a look at its beginning or end tells them."""
    found = format_of(path.name)
    if found is None or found.compression:
        return []
    if found.kind == "parquet":
        from ctrain.app.scanning import read_footer

        names: list[str] = read_footer(path).schema.to_arrow_schema().names
        return names
    if found.kind == "csv":
        from ctrain.sources.delimited import Header
        from ctrain.sources.text_look import header_line

        with path.open("rb") as file:
            line, _ = header_line(file.read(LONGEST_HEADER))
        return list(Header.parse(line).names) if line is not None else []
    return []

"""``ctrain compare``: drift between two files of rows or profiles, a line per column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.options import AsJson
from ctrain.cli.output import BREACHED, guarded, print_json, print_table, say

if TYPE_CHECKING:
    from ctrain.monitors.compare import ColumnComparison, Comparison

_FILE_HELP = "Parquet, CSV or JSON lines file, a folder of them, or a profile."
_MOST_NAMED = 4
_HEADINGS = ("column", "test", "statistic", "p-value", "corrected", "effect", "verdict")


def register(app: typer.Typer) -> None:
    app.command("compare")(guarded(compare))


def compare(
    reference: Annotated[Path, typer.Argument(help=_FILE_HELP, metavar="REFERENCE")],
    current: Annotated[Path, typer.Argument(help=_FILE_HELP, metavar="CURRENT")],
    fdr: Annotated[
        float, typer.Option("--fdr", min=0, max=1, help="Breached only below this corrected p-value.")
    ] = 0.01,
    min_effect: Annotated[
        float,
        typer.Option("--min-effect", min=0, max=1, help="Breached only from this effect, 0 to 1."),
    ] = 0.1,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare numbers one by one also above 100,000 rows.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which columns of CURRENT differ from REFERENCE; ends with 3 when one does."""
    from ctrain.app.comparing import compare_files

    found = compare_files(reference, current, fdr=fdr, min_effect=min_effect, exact=exact)
    if as_json:
        print_json({"columns": [asdict(one) for one in found.columns], "breached": found.breached})
    else:
        _print(found)
    if found.breached:
        raise typer.Exit(BREACHED)


def _print(found: Comparison) -> None:
    print_table(_HEADINGS, (tuple(_cells(one)) for one in found.columns))
    for line in _notes(found):
        say(line)
    breached = [one.column for one in found.columns if one.breached]
    if breached:
        say(f"breached: {len(breached)} of {len(found.columns)} columns: {', '.join(breached)}")
    else:
        say(f"no drift in {len(found.columns)} columns")


def _notes(found: Comparison) -> Iterator[str]:
    """Each note with the columns that it is about, or how many they are."""
    columns: dict[str, list[str]] = {}
    for one in found.columns:
        if one.note:
            columns.setdefault(one.note, []).append(one.column)
    for note, names in columns.items():
        yield f"{', '.join(names) if len(names) <= _MOST_NAMED else f'{len(names)} columns'}: {note}"


def _cells(one: ColumnComparison) -> Iterator[str]:
    yield one.column
    yield "" if one.test == "none" else one.test
    for number in (one.statistic, one.p_value, one.p_adjusted, one.effect):
        yield "" if math.isnan(number) else f"{number:.4g}"
    if one.breached:
        yield "BREACHED"
    else:
        yield "" if one.test == "none" else "ok"

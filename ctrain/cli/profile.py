"""``ctrain profile``: the rows of files as a small file of counts that can be compared and merged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctrain.cli.options import AsJson
from ctrain.cli.output import BAD_INPUT, fail, guarded, print_json, print_table, say

if TYPE_CHECKING:
    from ctrain.stats.stored_profile import StoredProfile

_HEADINGS = ("column", "type", "values", "missing", "min", "mean", "max", "deviation", "note")


def register(app: typer.Typer) -> None:
    app.command("profile")(guarded(profile))


def profile(
    files: Annotated[
        list[Path],
        typer.Argument(help="Parquet, CSV or JSON lines files, or folders of them.", metavar="FILES..."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File that the profile is written to.")],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Profile whose grid is used, so that the two can be compared."),
    ] = None,
    event_time: Annotated[
        str | None, typer.Option("--event-time", help="Column with the time of the row, if there is one.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on", help="Scheduler of a dask cluster whose workers read the files.", metavar="ADDRESS"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the profile of the rows of FILES: exact counts on a grid, in a fraction of their size."""
    from ctrain.app.cluster import opened_on
    from ctrain.app.profiling import check_output, profile_files, read_profile, write_profile
    from ctrain.app.scanning import TableFiles

    check_output(output)
    reference = read_profile(against) if against is not None else None
    with opened_on(TableFiles.find(files), on) as opened:
        found = profile_files(opened, against=reference, event_time=event_time)
    if not found.profile.rows:
        fail(f"{', '.join(map(str, files))}: there is no row to count", BAD_INPUT)
    write_profile(found, output)
    columns = [_described(name, found) for name in found.grid.columns]
    if as_json:
        times = found.event_times
        print_json(
            {
                "file": str(output),
                "grid": found.grid.name,
                "rows": found.profile.rows,
                "sources": found.sources,
                "event_times": [times.first, times.last] if times else None,
                "columns": columns,
            }
        )
        return
    print_table(_HEADINGS, ([_cell(value) for value in column.values()] for column in columns))
    size = output.stat().st_size
    say(f"{output}: {found.profile.rows:,} rows, {len(columns)} columns, {found.grid.name}, {size:,} bytes")


def _described(name: str, found: StoredProfile) -> dict[str, Any]:
    column = found.profile.columns[name]
    source = found.grid.columns[name].source(name)
    numeric = column.minimum is not None
    return {
        "column": name,
        "type": found.types[source].type if source in found.types else "absent",
        "values": column.values,
        "missing": column.null_rate,
        "min": column.minimum,
        "mean": column.mean if numeric else None,
        "max": column.maximum,
        "deviation": math.sqrt(column.variance) if numeric and column.variance >= 0 else None,
        "note": found.left_out.get(source, ""),
    }


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value if value is not None else "")

"""``ctrain db``: upgrade, take back, check and back up the database itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctrain.cli.options import AsJson, Home, load_settings
from ctrain.cli.output import BREACHED, guarded, print_json, say

Out = Annotated[
    Path | None,
    typer.Option(
        "--out", help="File to write.", show_default="backups/state-TIME in the home", metavar="FILE"
    ),
]


db = typer.Typer(no_args_is_help=True, help="Upgrade, take back, check and back up the database.")


def register(app: typer.Typer) -> None:
    for name, command in (
        ("upgrade", upgrade),
        ("downgrade", downgrade),
        ("check", check),
        ("backup", backup),
    ):
        db.command(name)(guarded(command))
    app.add_typer(db, name="db")


def upgrade(home: Home = None, as_json: AsJson = False) -> None:
    """Create the schema of the database, or bring it up to date."""
    from ctrain.store.upkeep import upgrade_database

    done = upgrade_database(load_settings(home).database_url)
    if as_json:
        print_json({"database": done.database, "before": done.before, "after": done.after})
    elif done.before == done.after:
        say(f"{done.database}: revision {done.after}, nothing to do")
    else:
        say(f"{done.database}: revision {done.before or 'none'} -> {done.after}")


def downgrade(
    revision: Annotated[str, typer.Argument(help="An older revision, as the changelog names it.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take the schema back for an older ctrain, while no daemon runs; what only newer ones know is lost."""
    from ctrain.app.upkeep import take_back

    done = take_back(load_settings(home), revision)
    if as_json:
        print_json({"database": done.database, "before": done.before, "after": done.after})
    else:
        say(f"{done.database}: revision {done.before} -> {done.after}; start no newer ctrain on it")


def check(home: Home = None, as_json: AsJson = False) -> None:
    """Look for damage and for constraints that are not in force; 3 when something is wrong."""
    from ctrain.store.upkeep import check_database

    checked = check_database(load_settings(home).database_url)
    if as_json:
        print_json(
            {"database": checked.database, "revision": checked.revision, "faults": list(checked.faults)}
        )
    else:
        for fault in checked.faults or ("nothing is wrong",):
            say(f"{checked.database}: {fault}")
    if checked.faults:
        raise typer.Exit(BREACHED)


def backup(out: Out = None, home: Home = None, as_json: AsJson = False) -> None:
    """Write a consistent copy of the database to a file; daemons may go on."""
    from ctrain.app.upkeep import back_up_database

    made = back_up_database(load_settings(home), out)
    if as_json:
        print_json({"database": made.database, "file": str(made.file), "bytes": made.size_bytes})
    else:
        say(f"{made.file}: {made.size_bytes} bytes of {made.database}")

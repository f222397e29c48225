"""``ctrain validate`` and ``ctrain schema``: policy files, without a daemon and without a home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctrain.cli.options import AsJson
from ctrain.cli.output import BAD_INPUT, guarded, print_json, say

if TYPE_CHECKING:
    from ctrain.policy.files import LoadedPolicy


def register(app: typer.Typer) -> None:
    app.command("validate")(guarded(validate))
    app.command("schema")(guarded(schema))


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Policy files, or folders of them.", metavar="PATH...")],
    as_json: AsJson = False,
) -> None:
    """Check policies: every problem of every file, and what a run of it would miss here."""
    from ctrain.app.surroundings import missing_around
    from ctrain.policy.available import unavailable_parts
    from ctrain.policy.checks import check_fleet
    from ctrain.policy.files import load_policies

    loaded, errors = load_policies(paths, os.environ)
    problems = [problem for error in errors for problem in error.problems] + check_fleet(loaded)
    notices = [
        f"{one.path}: {part}"
        for one in loaded
        for part in [*unavailable_parts(one.policy), *missing_around(one)]
    ]
    if as_json:
        policies = [_described(one) for one in loaded]
        print_json({"valid": not problems, "policies": policies, "problems": problems, "notices": notices})
    else:
        _print_text(loaded, problems, notices)
    if problems:
        raise typer.Exit(BAD_INPUT)


def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    from ctrain.policy.schema import policy_schema

    print_json(policy_schema())


def _described(loaded: LoadedPolicy) -> dict[str, Any]:
    return {"policy": loaded.policy.policy, "path": str(loaded.path), "hash": loaded.hash}


def _print_text(loaded: list[LoadedPolicy], problems: list[str], notices: list[str]) -> None:
    for problem in problems:
        say(problem, err=True)
    for notice in notices:
        say(f"notice: {notice}", err=True)
    for one in loaded:
        say(f"OK {one.path} ({one.policy.policy})")

"""All policies of a daemon, read and checked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ctrain.errors import InputError, PolicyError
from ctrain.policy.available import unavailable_parts
from ctrain.policy.checks import check_fleet
from ctrain.policy.files import NONE_KNOWN, load_policies
from ctrain.policy.loaded import LoadedPolicy


def load_fleet(
    paths: Sequence[Path], environ: Mapping[str, str], known: Mapping[Path, LoadedPolicy] = NONE_KNOWN
) -> list[LoadedPolicy]:
    """Every policy under ``paths``, fit to be run together; those ``known`` are read no second time.

    Raises
    ------
    PolicyError
        with every problem of every file, also parts that this version cannot run.
    """
    loaded, errors = load_policies(paths, environ, known)
    problems = [problem for error in errors for problem in error.problems]
    problems += check_fleet(loaded)
    for one in loaded:
        problems += [f"{one.path}: {message}" for message in unavailable_parts(one.policy)]
    if problems:
        raise PolicyError(*problems)
    if not loaded:
        raise InputError(f"no policy files (*.yaml) in {', '.join(map(str, paths))}")
    return loaded

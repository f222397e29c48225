"""Checks of ``train.tune``: bounds, grids, and what can be tuned at all."""

from __future__ import annotations

from collections.abc import Iterator

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.models import Train
from ctrain.policy.tuning import Range, Tune, grid_points, points_of_grid

MOST_GRID_POINTS = 10_000


def check_tuning(train: Train) -> Iterator[Problem]:
    """Return searches that cannot work: of no function, in empty ranges, over endless grids."""
    tune = train.tune
    if tune is None:
        return
    if train.entrypoint is None and (train.command or train.candidates):
        other = "command" if train.command else "candidates"
        yield Problem(("train", "tune"), f"goes with entrypoint; {other} cannot be tuned")
    for name, parameter in tune.space.items():
        if isinstance(parameter, Range):
            yield from _check_range(parameter, ("train", "tune", "space", name))
    if tune.sampler == "grid":
        yield from _check_grid(tune)
    if tune.together > 1 and train.launcher.type != "dask":
        yield Problem(
            ("train", "tune", "together"), "goes with the launcher dask; here trials share the cores"
        )
    if tune.timeout is not None and tune.timeout >= train.timeout:
        yield Problem(
            ("train", "tune", "timeout"), "expected less than train.timeout, which also fits on all rows"
        )


def _check_range(parameter: Range, path: KeyPath) -> Iterator[Problem]:
    if not parameter.low < parameter.high:
        yield Problem((*path, "low"), "expected less than high")
    if parameter.log and parameter.low <= 0:
        yield Problem((*path, "low"), "expected more than 0, because of log")
    if parameter.log and parameter.step is not None:
        yield Problem((*path, "step"), "expected either log or step, not both")
    if parameter.whole and parameter.step is not None and parameter.step % 1:
        yield Problem((*path, "step"), "expected a whole number, as low and high are")


def _check_grid(tune: Tune) -> Iterator[Problem]:
    for name, parameter in tune.space.items():
        if grid_points(parameter) is None:
            yield Problem(("train", "tune", "space", name), "a grid needs values or step")
    total = points_of_grid(tune.space)
    if total > MOST_GRID_POINTS:
        yield Problem(
            ("train", "tune", "space"), f"a grid of {total} points; expected at most {MOST_GRID_POINTS}"
        )

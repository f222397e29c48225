"""The ``train.tune`` part of a policy: which parameters are searched, how, and for how long."""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal

from pydantic import Field, Tag

from ctrain.policy.fields import Frozen, PositiveDuration, Text, variant_by_key

TRIALS = 20
"""So many where the policy says nothing and there is no grid whose points could be counted."""
STEP_TOLERANCE = 1e-9
"""Of the last step of a grid: 0.1 + 2 * 0.1 is more than 0.3."""

Scalar = bool | int | float | str | None


class Choices(Frozen):
    """One of some values."""

    values: Annotated[tuple[Scalar, ...], Field(min_length=1)]
    """What the parameter may be."""

    def read(self, text: str) -> Scalar:
        """The value that is written so, or else the text.

        >>> Choices(values=(4, True, "log")).read("true"), Choices(values=(4, 8)).read("6")
        (True, '6')
        """
        return next((one for one in self.values if text in (str(one), json.dumps(one))), text)


class Range(Frozen):
    """A number between two bounds; a whole one when both are."""

    low: int | float
    """Smallest value."""
    high: int | float
    """Largest value."""
    log: bool = False
    """Search its logarithm evenly: for learning rates and penalties."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance of the values that are tried; default: 1 for whole numbers, any for others."""

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def read(self, text: str) -> Scalar:
        """The number that is written so, also one beyond the bounds, or else the text.

        >>> (
        ...     Range(low=1, high=8).read("9"),
        ...     Range(low=0.5, high=1).read("1"),
        ...     Range(low=1, high=8).read("many"),
        ... )
        (9, 1.0, 'many')
        """
        try:
            number = int(text) if self.whole else float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text


Parameter = Annotated[
    Annotated[Choices, Tag("<Choices>")] | Annotated[Range, Tag("<Range>")],
    variant_by_key({"values": "<Choices>", "low": "<Range>", "high": "<Range>"}),
]


class Tune(Frozen):
    """A search for parameters on the training rows, in the order of time."""

    sampler: Literal["tpe", "random", "grid"] = "tpe"
    """How the next values are chosen; ``grid`` tries all of them."""
    trials: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """At most so many; default: 20, for a grid all its points. The champion's parameters are tried first,
    but in a grid."""
    timeout: PositiveDuration | None = None
    """No further trial begins after this time."""
    together: Annotated[int, Field(ge=1, le=100)] = 1
    """Trials at a time on a dask cluster, each on a worker that is free; they do not know of each other."""
    folds: Annotated[int, Field(ge=1, le=20)] = 3
    """Pieces of the newest fifth of the training rows, each predicted by a model of the rows before it."""
    space: Annotated[dict[Text, Parameter], Field(min_length=1)]
    """Parameters by name, as the training function finds them in ``context.params``."""

    @property
    def wanted_trials(self) -> int:
        """How many trials there are at most."""
        if self.trials is not None:
            return self.trials
        return points_of_grid(self.space) if self.sampler == "grid" else TRIALS


def points_of_grid(space: dict[str, Parameter]) -> int:
    """How many points a grid over ``space`` has; a parameter without steps counts as one value.

    >>> points_of_grid({"rate": Range(low=0.1, high=0.3, step=0.1), "loss": Choices(values=("a", "b"))})
    6
    """
    return math.prod(grid_points(parameter) or 1 for parameter in space.values())


def grid_points(parameter: Parameter) -> int | None:
    """How many values a grid has of it; None: it has no steps."""
    if isinstance(parameter, Choices):
        return len(parameter.values)
    if parameter.log or (parameter.step is None and not parameter.whole):
        return None
    return int((parameter.high - parameter.low) / (parameter.step or 1) + STEP_TOLERANCE) + 1

"""The space of ``train.tune``: the values it has of each parameter, and which of known parameters it holds.

Optuna enqueues a value that lies between the steps of a parameter, or a true where 1 is meant, with at most
a warning, and tries it: what is handed on has to be looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STEP_TOLERANCE = 1e-8
"""Of a whole number of steps: 0.1 + 2 * 0.1 is more than 0.3."""
_OUTSIDE = object()


def inside(space: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters whose values the space has, each of the type that the space gives it.

    >>> space = {"depth": {"low": 2, "high": 8}, "loss": {"values": ["log", "hinge"]}}
    >>> inside(space, {"depth": 4.0, "loss": "square", "rate": 0.1})
    {'depth': 4}
    """
    found = {name: _held(space[name], params[name]) for name in space if name in params}
    return {name: value for name, value in found.items() if value is not _OUTSIDE}


def left_out(space: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the space has not, or not with this value."""
    kept = inside(space, params)
    return {name: value for name, value in params.items() if name not in kept}


def told_left_out(params: Mapping[str, Any]) -> str:
    """A note of what has been left out of the champion's parameters."""
    named = ", ".join(f"{name} {value}" for name, value in params.items())
    return f"left out of the champion's parameters, as train.tune has no such value: {named}"


def grid(parameter: Mapping[str, Any]) -> list[Any]:
    """The values of a parameter, in order.

    >>> grid({"low": 0.5, "high": 1.0, "step": 0.25}), grid({"low": 2, "high": 4})
    ([0.5, 0.75, 1.0], [2, 3, 4])
    """
    if "values" in parameter:
        return list(parameter["values"])
    low, high = parameter["low"], parameter["high"]
    step = step_of(parameter) or 1
    return [low + step * position for position in range(int((high - low) / step + 1e-9) + 1)]


def step_of(parameter: Mapping[str, Any]) -> Any:
    """The distance of a range's values; None where any between its bounds will do."""
    step = parameter.get("step")
    return int(step) if step is not None and is_whole(parameter) else step


def is_whole(parameter: Mapping[str, Any]) -> bool:
    """True for a range of whole numbers."""
    return isinstance(parameter["low"], int) and isinstance(parameter["high"], int)


def _held(parameter: Mapping[str, Any], value: Any) -> Any:
    if "values" in parameter:
        same = (one for one in parameter["values"] if one == value and _is_truth(one) is _is_truth(value))
        return next(same, _OUTSIDE)
    number = isinstance(value, int | float) and not _is_truth(value)
    if not number or not parameter["low"] <= value <= parameter["high"]:
        return _OUTSIDE
    step = step_of(parameter) or (1 if is_whole(parameter) else None)
    if step is not None and not _is_whole_number((value - parameter["low"]) / step):
        return _OUTSIDE
    return int(value) if is_whole(parameter) else float(value)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole_number(steps: float) -> bool:
    return abs(steps - round(steps)) < STEP_TOLERANCE

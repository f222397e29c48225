"""``${NAME}`` and ``${NAME:-default}`` in the text values of a policy, read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ctrain.policy.document import KeyPath, Problem

_PLACEHOLDER = re.compile(r"\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})?")


def expand_placeholders(
    values: Any, environ: Mapping[str, str], path: KeyPath = ()
) -> tuple[Any, list[Problem]]:
    """Return ``values`` with placeholders replaced, and a problem for each that cannot be.

    As in a shell, ``${NAME:-default}`` takes the default also for an empty variable. What a
    variable contains is not expanded again.

    >>> expand_placeholders({"path": "${FLIGHTS:-data}/rows"}, {})
    ({'path': 'data/rows'}, [])
    """
    if isinstance(values, str):
        return _expand(values, environ, path)
    problems: list[Problem] = []
    if isinstance(values, dict):
        expanded: Any = {}
        for key, value in values.items():
            expanded[key], found = expand_placeholders(value, environ, (*path, key))
            problems += found
        return expanded, problems
    if isinstance(values, list):
        expanded = []
        for position, value in enumerate(values):
            item, found = expand_placeholders(value, environ, (*path, position))
            expanded.append(item)
            problems += found
        return expanded, problems
    return values, problems


def _expand(text: str, environ: Mapping[str, str], path: KeyPath) -> tuple[str, list[Problem]]:
    problems: list[Problem] = []

    def replace(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if name is None:
            problems.append(Problem(path, "expected ${NAME} or ${NAME:-default}"))
            return match[0]
        value = environ.get(name)
        if value is None and default is None:
            hint = f"set it, or write ${{{name}:-default}}"
            problems.append(Problem(path, f"the environment variable {name} is not set; {hint}"))
            return match[0]
        return default if default is not None and not value else str(value)

    return _PLACEHOLDER.sub(replace, text), problems

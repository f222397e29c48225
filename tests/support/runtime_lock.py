"""What an image of ctrain installs, by hash: the part of requirements.lock that some packages need.

``python -m tests.support.runtime_lock`` writes the locks of deploy/docker; they follow requirements.lock.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {
    "deploy/docker/runtime.lock": ("ctrain[dask]",),
    "deploy/docker/build.lock": ("hatchling",),
}
"""And what each is there for."""

Wanted = tuple[NormalizedName, str]
"""A package and one of its extras; no extra is empty."""


def locked_part(needed_by: Iterable[str]) -> str:
    """The entries of requirements.lock that these packages need where tests run, without ctrain itself.

    Raises
    ------
    KeyError
        for what is installed here and not locked.
    """
    entries = _entries()
    names = _closure(Requirement(text) for text in needed_by) - {canonicalize_name("ctrain")}
    return "".join(entries[name] for name in sorted(names))


def _entries() -> dict[NormalizedName, str]:
    text = (ROOT / "requirements.lock").read_text()
    pieces = [one for one in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE) if "==" in one]
    return {canonicalize_name(one.partition("==")[0].partition("[")[0]): one for one in pieces}


def _closure(roots: Iterable[Requirement]) -> set[NormalizedName]:
    seen: set[Wanted] = set()
    todo = [wanted for root in roots for wanted in _wanted(root)]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += [wanted for needed in _needs(one) for wanted in _wanted(needed)]
    return {name for name, _ in seen}


def _needs(one: Wanted) -> list[Requirement]:
    name, extra = one
    found = map(Requirement, _own(extra) if name == "ctrain" else requires(name) or [])
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": extra})]


def _own(extra: str) -> list[str]:
    """As pyproject.toml has it, whatever an older installation says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return list(project["optional-dependencies"][extra] if extra else project["dependencies"])


def _wanted(requirement: Requirement) -> list[Wanted]:
    return [(canonicalize_name(requirement.name), extra) for extra in ("", *sorted(requirement.extras))]


if __name__ == "__main__":
    for name, needed_by in LOCKS.items():
        (ROOT / name).write_text(locked_part(needed_by))

"""Keeps of a resolved lock (standard input) what requirements.lock does not have: the peers of benchmarks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"


def entries(lines: Iterable[str]) -> dict[str, str]:
    """The lines of each package by its name."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if re.match(r"[A-Za-z0-9]", line):
            name = re.split(r"[=\[ ]", line)[0].lower()
        found[name] = found.get(name, "") + line
    return found


if __name__ == "__main__":
    known = entries(LOCK.read_text().splitlines(keepends=True))
    for package, text in entries(sys.stdin).items():
        if package not in known:
            print(text, end="")

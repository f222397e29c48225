"""Pages of the handbook as programs: the files and commands that they show, and what is printed."""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a page."""

    command: str
    output: str
    """What the page says that it prints, with ``...`` for anything; empty: the page does not say."""

    def is_printed(self, found: str) -> bool:
        """Return whether a command printed what the page shows, but for the width of spaces."""
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        return not self.output or doctest.OutputChecker().check_output(self.output, found, options)


def blocks(page: Path, kind: str) -> list[str]:
    """Return the fenced blocks of one kind."""
    return [match["body"] for match in _BLOCK.finditer(page.read_text()) if match["kind"] == kind]


def shown_commands(page: Path) -> list[Shown]:
    """Return the commands of a page's console blocks with what is printed, in their order."""
    found = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Shown(command, output))
    return found

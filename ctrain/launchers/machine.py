"""Which machine this is, and whether a process of it lives; elsewhere its number means nothing."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PROC = Path("/proc")


@cache
def this_machine() -> str:
    """A short name of this boot of this machine and its space of process ids; empty when unknown."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = (PROC / "self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:12]


def started(pid: int) -> str:
    """The start of a process in ticks since boot; empty when there is none, or only its zombie."""
    try:
        # The name of the program is in brackets and may hold anything, also brackets and spaces.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]

"""What tests ask of processes that may end while they are looked at."""

from __future__ import annotations

import psutil


def gone(pid: int) -> bool:
    """True once a process has ended, waited for or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def words_of(one: psutil.Process) -> list[str]:
    """The command line of a process; none once it has ended, waited for or not."""
    try:
        return one.cmdline()
    except psutil.NoSuchProcess:
        return []

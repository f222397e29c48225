"""The interpreter of tests that start ctrain again and again: one warm process for each worker."""

from __future__ import annotations

import atexit
import contextlib
import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.zygote import Zygote

REAL = sys.executable
WITH_WARM_CHILDREN = """
import runpy, sys
sys.executable, *sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@functools.cache
def zygote() -> Zygote:
    """Started when a test first wants it; ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="ctrain-warm-")
    started = Zygote(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(started.close)
    return started


@contextmanager
def warm_interpreter() -> Iterator[None]:
    """Let ``sys.executable`` fork what it is asked to run from a process that has imported it."""
    sys.executable = str(zygote().python)
    try:
        yield
    finally:
        sys.executable = REAL


def pid_of(child: subprocess.Popen[bytes]) -> int:
    """The process that does the work of a child that a test has started."""
    return _worker(child.pid)


def family_of(child: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes that do the work of a child, and of all that it has started."""
    return list(_family(_worker(child.pid)))


def _family(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        one = psutil.Process(pid)
        yield one
        for child in one.children():
            yield child
            if (worker := _worker(child.pid)) != child.pid:
                yield from _family(worker)


def _worker(pid: int) -> int:
    return zygote().fork_of(pid)


def real_with_warm_children(words: Sequence[str]) -> list[str]:
    """A module with its arguments, as a process that holds what it imports itself and nothing else."""
    return [REAL, "-c", WITH_WARM_CHILDREN, str(zygote().python), *words]

"""What keeps the daemon small: what it never imports, and memory that goes back to the system."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder

from ctrain.errors import CtrainError

RELEASE_SECONDS = 60.0
ARENAS = 2
"""Places from which the C library serves threads: of its eight a core each keeps some memory for itself."""
LONE_BYTES = 64 * 2**10
"""From this size on a piece of memory is the system's own, and goes back to it at once: the C library lets
the size grow with what is asked for, and pieces that lived for a moment leave gaps that nothing else fits."""
_ARENA_MAX = -8
_MMAP_THRESHOLD = -3
"""Their numbers in <malloc.h>."""


class _NoPandas(MetaPathFinder):
    """Finds pandas nowhere."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("this command does without pandas", name=fullname)


def without_pandas() -> None:
    """Let every later ``import pandas`` fail in this interpreter.

    pyarrow imports pandas, and 30 MB with it, only to ask whether a value is a Series. Here none is:
    whatever needs pandas runs in children, which are interpreters of their own.
    """
    sys.meta_path.insert(0, _NoPandas())


def stay_small() -> None:
    """Do without pandas, and let Arrow use the C library's memory, which ``release_memory`` gives back.

    To be called before there are threads; ``MALLOC_ARENA_MAX`` and ``MALLOC_MMAP_THRESHOLD_`` in the
    environment say otherwise.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    for variable, parameter, value in (
        ("MALLOC_ARENA_MAX", _ARENA_MAX, ARENAS),
        ("MALLOC_MMAP_THRESHOLD_", _MMAP_THRESHOLD, LONE_BYTES),
    ):
        if variable not in os.environ:
            with suppress(OSError, AttributeError):  # another C library than glibc has its own way
                ctypes.CDLL(None).mallopt(parameter, value)
    without_pandas()


def migrate_apart(database_url: str) -> None:
    """Bring the database up to date in a child, where it is not: Alembic would stay here, 10 MB of it.

    What goes wrong there goes wrong again when this process opens the database, and is told then.
    """
    from ctrain.store import is_current

    with suppress(CtrainError, OSError):
        if not is_current(database_url):
            subprocess.run(
                [sys.executable, "-m", "ctrain.store"],
                env={**os.environ, "CTRAIN_DATABASE_URL": database_url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )


def release_memory() -> None:
    """Give what Arrow and the C library hold without using it back to the system."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # another C library than glibc keeps its memory
        ctypes.CDLL(None).malloc_trim(0)

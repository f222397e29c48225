"""What the system lets a child take: no core file ever, and for a training so much time and so large files.

Address space is limited while user code trains alone (``limit_memory``): what libraries map at their
import is not the trainer's.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CPU_GRACE_SECONDS = 60
LEAST_MEMORY_BYTES = 10**9
"""Below this the imports of numpy and OpenBLAS fail before anything useful can be said."""


def limit_always() -> None:
    """No core file: it would hold what the process knows, secrets and rows included."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_training(job: Mapping[str, Any]) -> None:
    """Let this process, and each that it starts, use what its timeout allows on all cores, and no more.

    A training that is stopped at its timeout never gets there; one that has left its process group and
    cannot be found any more does.
    """
    seconds = math.ceil(float(job["timeout_seconds"]) * len(os.sched_getaffinity(0))) + CPU_GRACE_SECONDS
    _lower(resource.RLIMIT_CPU, seconds)
    largest = int(job.get("file_limit_bytes", 0))
    if largest:
        _lower(resource.RLIMIT_FSIZE, largest)


def memory_limit_of(job: Mapping[str, Any]) -> int:
    """Address space that the user code of a job may take."""
    return max(int(job["memory_limit_bytes"]), LEAST_MEMORY_BYTES)


def limit_memory(limit_bytes: int) -> None:
    """Let this process map ``limit_bytes`` more than it has mapped so far.

    What mlflow and its libraries have mapped is not the trainer's: it is counted off, so that the
    limit says how much memory training may use.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + limit_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def lift_memory_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _lower(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (bound, bound))

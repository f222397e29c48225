"""What the system lets a child take: no core file ever, and for a training so much time and so large files.

Address space is limited while user code trains alone (``train.limit_memory``): what libraries map at their
import is not the trainer's.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Mapping
from typing import Any

CPU_GRACE_SECONDS = 60


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


def _lower(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (bound, bound))

"""Why a training failed, for its log and for people."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Mapping
from typing import Any

from ctrain.child.command import CommandFailed
from ctrain.child.limits import memory_limit_of
from ctrain.child.remedies import with_remedy

SIGNS_OF_NO_MEMORY = ("can't start new thread", "failed to map segment", "Cannot allocate memory")


def print_failure(error: BaseException) -> None:
    """Write to the log where training failed; of a command its own last words stay the last."""
    if not isinstance(error, CommandFailed):
        with contextlib.suppress(Exception):  # the log may be full, or closed
            traceback.print_exception(error)


def explained(error: BaseException, job: Mapping[str, Any]) -> str:
    """What ``error`` is, and where it is known which limit of the job or what else was in the way."""
    text = str(error) if isinstance(error, CommandFailed) else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or any(sign in text for sign in SIGNS_OF_NO_MEMORY):
        limit = memory_limit_of(job) / 1e9
        return f"training needs more memory than train.memory_limit allows ({limit:.1f} GB): {text}"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        limit = int(job.get("file_limit_bytes", 0)) / 1e9
        return (
            f"a file or the log of training is larger than train.file_limit allows ({limit:.1f} GB): {text}"
        )
    return with_remedy(error, text)

"""The end of a child that has run user code: nothing that such code left running outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def end_group() -> None:
    """End our process group: what user code left running in it, whatever it ignores, its threads and us.

    Returns where the group is not ours alone.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # user code may have closed or replaced it
            stream.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)

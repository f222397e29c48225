"""Programs of the system that a test starts and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_until


@contextmanager
def running_program(arguments: Sequence[str], log_path: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """The program from ready to ended; what it says is in its log."""
    with log_path.open("w") as log:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(ready, 30, f"{arguments[0]} is ready")
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)

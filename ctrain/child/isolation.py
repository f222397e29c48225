"""Questions answered in a fork: however that ends nothing of it stays, no state, no memory, no crash."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


def answered_apart(question: Callable[[], Answer], seconds: float) -> Answer:
    """What ``question`` answers, asked in a fork that has so many seconds.

    Raises
    ------
    RuntimeError
        when it raises, dies or takes longer; its traceback goes to standard output.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(question, writer)
    os.close(writer)
    try:
        line = _line(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if line is None:
        raise RuntimeError(f"it was stopped after {seconds:g} s")
    if not line:
        raise RuntimeError(f"it ended with {os.waitstatus_to_exitcode(status)}")
    answer: Answer = json.loads(line)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer


def _answer(question: Callable[[], Answer], writer: int) -> None:
    """In the fork: write one line, and end without what the parent would do at its end."""
    try:
        with os.fdopen(writer, "w") as pipe:
            pipe.write(_written(question) + "\n")
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _written(question: Callable[[], Answer]) -> str:
    try:
        return json.dumps(question())
    except BaseException as error:  # noqa: BLE001 - user code may raise anything; the answer says so
        traceback.print_exc(file=sys.stdout)
        return json.dumps({"error": f"{type(error).__name__}: {error}"})


def _line(reader: int, deadline: float) -> str | None:
    """What the fork writes until the end of a line; None when it is late, and cut short when it died.

    A process that the fork left behind may hold its end of the pipe open for ever.
    """
    read = b""
    while not read.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], max(deadline - time.monotonic(), 0.0))
        if not ready:
            return None
        piece = os.read(reader, 65536)
        if not piece:
            return ""
        read += piece
    return read.decode()

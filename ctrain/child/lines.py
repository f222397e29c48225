"""Answering JSON lines on standard input with JSON lines on standard output."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from ctrain.child.ending import end_group

Request = dict[str, Any]


def serve(answer: Callable[[Request], Request], idle_seconds: float, at_end: Callable[[], None]) -> NoReturn:
    """Answer requests until the parent is gone, or none has come for ``idle_seconds``.

    What models print goes to standard error, so that it cannot be taken for an answer. What they left
    running, threads included, ends with this process and does not keep it from ending.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, at_end), daemon=True).start()
    while True:
        try:
            line = requests.get(timeout=idle_seconds)
        except queue.Empty:
            _end(at_end)
        answers.write(json.dumps(answer(json.loads(line)), default=str) + "\n")


def _read(requests: queue.SimpleQueue[str], at_end: Callable[[], None]) -> None:
    for line in sys.stdin:
        requests.put(line)  # nosec B113 # a queue of this name, no HTTP
    # The parent is gone. Whatever a model is computing, nobody waits for it any more.
    _end(at_end)


def _end(at_end: Callable[[], None]) -> NoReturn:
    at_end()
    end_group()
    os._exit(0)

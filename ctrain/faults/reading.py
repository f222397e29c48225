"""A plan of faults as a line of text, as ``CTRAIN_FAULTS`` holds it.

``commit.intent:after=kill; registry.*:before@2-5=transient; scorer.poll:before@p0.1=delay:0.2; seed=7``:
a point (or a pattern), when (the first time; the n-th; from the n-th to the m-th, ``2-``: for ever;
``p0.1``: each time with this probability), and what happens.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from fnmatch import fnmatchcase

from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.faults.plan import Act, Fault, Faults
from ctrain.faults.points import CALLS, COMMIT, known_names

LAST_WORDS = "killed on purpose at "
RETRY_IN = timedelta(milliseconds=100)
_ITEM = re.compile(
    r"(?P<point>[a-z_.*]+:(?:before|after|\*))(?:@(?P<when>[p0-9.-]+))?=(?P<act>[a-z]+(?::[0-9.]+)?)"
)
_RAISED = {
    COMMIT: {"transient"},
    "registry": {"transient", "permanent"},
    "launcher": {"transient", "nospace"},
    "workspace": {"nospace"},
    "row_log": {"transient"},
    "segments": {"transient"},
    "rows_source": {"transient"},
    "labels_source": {"transient"},
    "spool": {"transient"},
}
"""What a port may raise; the others answer with a value whatever happens."""


def kill(point: str) -> None:
    """End this process as ``kill -9`` does, but for one line that says where: no handler, no cleanup."""
    os.write(2, f"{LAST_WORDS}{point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def fail_for_now(point: str) -> None:
    raise TransientError(f"a fault was injected at {point}", RETRY_IN)


def fail_for_good(point: str) -> None:
    raise PermanentError(f"a fault was injected at {point}")


def fill_the_disk(point: str) -> None:
    raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: a fault was injected at {point}")


_ACTS: dict[str, Act] = {
    "kill": kill,
    "transient": fail_for_now,
    "permanent": fail_for_good,
    "nospace": fill_the_disk,
}


def read_plan(text: str) -> Faults:
    """Return the plan that the text describes.

    Raises
    ------
    InputError
        when a part is not understood, or asks of a port what it can never do.
    """
    faults, seed = [], 0
    for item in filter(None, (part.strip() for part in text.split(";"))):
        if re.fullmatch(r"seed=\d+", item):
            seed = int(item.removeprefix("seed="))
        else:
            faults.append(_fault(item))
    return Faults(faults, seed)


def _fault(item: str) -> Fault:
    found = _ITEM.fullmatch(item)
    if found is None:
        raise InputError(f"CTRAIN_FAULTS: expected POINT:MOMENT[@WHEN]=ACT, got {item!r}")
    pattern, word = found["point"], found["act"]
    _require_point(pattern, item)
    act = _act(word, item)
    _require_possible(pattern, word, item)
    try:
        return _timed(pattern, act, found["when"] or "1")
    except ValueError as error:
        raise InputError(f"CTRAIN_FAULTS: {item!r}: {found['when']!r} is no number of times") from error


def _timed(pattern: str, act: Act, when: str) -> Fault:
    if when.startswith("p"):
        return Fault(pattern, act, last=None, probability=float(when[1:]))
    first, dash, last = when.partition("-")
    end = int(last) if last else None
    return Fault(pattern, act, int(first), end if dash else int(first))


def _act(word: str, item: str) -> Act:
    name, _, seconds = word.partition(":")
    if name == "delay" and seconds:
        return _delay(float(seconds))
    if name not in _ACTS or seconds:
        expected = ", ".join([*_ACTS, "delay:SECONDS"])
        raise InputError(f"CTRAIN_FAULTS: {item!r}: expected one of {expected}")
    return _ACTS[name]


def _delay(seconds: float) -> Callable[[str], None]:
    def wait(point: str) -> None:  # noqa: ARG001 - every act is told where it is
        threading.Event().wait(seconds)

    return wait


def _require_point(pattern: str, item: str) -> None:
    name = pattern.rpartition(":")[0]
    if name.startswith(f"{COMMIT}.") or any(_covers(name, known) for known in known_names()):
        return
    raise InputError(
        f"CTRAIN_FAULTS: {item!r}: there is no point {name!r}; there are {COMMIT}.*, {_listed()}"
    )


def _covers(name: str, known: str) -> bool:
    return fnmatchcase(known, name) or name.startswith(f"{known}.")


def _require_possible(pattern: str, word: str, item: str) -> None:
    if word == "kill" or word.startswith("delay"):
        return
    port = pattern.partition(".")[0].partition(":")[0]
    if word not in _RAISED.get(port, set()):
        raise InputError(f"CTRAIN_FAULTS: {item!r}: {port} never raises what {word!r} stands for")


def _listed() -> str:
    return ", ".join(f"{port}.{{{','.join(methods)}}}" for port, methods in CALLS.items())

"""Channels of apprise: chats, mail, pagers; each message is told by a child that ends with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ctrain.children import PASSED_ON
from ctrain.domain import Delivery

CHILD = Path(__file__).with_name("apprise_child.py")
SECONDS = 60.0


def tell(
    url: str, title: str, text: str, level: str, environ: Mapping[str, str], seconds: float = SECONDS
) -> Delivery:
    """Return what became of the message. The address reaches the child by a pipe, where nobody sees it."""
    asked = json.dumps({"url": url, "title": title, "body": text, "level": level})
    passed = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**passed, "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
            text=True,
        )
    except OSError as error:
        return Delivery(False, f"apprise cannot be started: {error.strerror}", again=True)
    with child:
        try:
            answer, _ = child.communicate(asked, timeout=seconds)
        except subprocess.TimeoutExpired:
            return Delivery(False, "it took too long", again=True)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
    return judge(answer)


def judge(answer: str) -> Delivery:
    """Return what the child's answer means; a channel that apprise does not know is refused for good."""
    try:
        found = json.loads(answer)
        known, done, said = found["known"], found["done"], str(found["said"])
    except (ValueError, KeyError, TypeError):
        return Delivery(False, "apprise ended without an answer", again=True)
    if not known:
        return Delivery(False, "apprise cannot use this address")
    if done:
        return Delivery(True, "apprise sent it")
    return Delivery(
        False, f"apprise could not send it: {said}" if said else "apprise could not send it", True
    )

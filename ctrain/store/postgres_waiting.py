"""Connections to PostgreSQL whose threads let others compute while the server works."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from ctrain.turns import waiting

T = TypeVar("T")
NEAR_SECONDS = 0.001
"""Whoever leaves its turn for less waits longer for the next one than for the answer."""
_WEIGHT = 0.1
"""Of the last answer in the moving average."""


class WaitingConnection(psycopg.Connection[Any]):
    """All that is asked of the server waits in ``wait``, of a server that is not near without the turn."""

    _usual_seconds = 0.0

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        is_near = self._usual_seconds < NEAR_SECONDS
        # In a transaction that writes other writers wait for the thread: it goes on when there is an answer.
        with nullcontext() if is_near else waiting(urgent=True):
            begun = time.perf_counter()
            found = super().wait(gen, *args, **options)
            self._usual_seconds += _WEIGHT * (time.perf_counter() - begun - self._usual_seconds)
        return found


def connect(_dialect: object, _record: object, addresses: Any, options: Any) -> WaitingConnection:
    """What SQLAlchemy calls to open a connection."""
    return WaitingConnection.connect(*addresses, **options)

"""The daemon's couriers: threads of their own carry messages out, so that no tick waits for a channel."""

from __future__ import annotations

import os
import threading
import traceback
import uuid
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from ctrain.app.lease import this_holder
from ctrain.engine.notice_delivery import Courier
from ctrain.notify import ChannelNotifier

if TYPE_CHECKING:
    from ctrain.app.wiring import Shell
    from ctrain.domain import Message, PolicyName
    from ctrain.ports import Telemetry

LOOK_SECONDS = 1.0
TIDY_SECONDS = 30.0
CARRIERS = 4
"""Messages that are under way at once: a channel that does not answer holds up one of them."""
STOP_SECONDS = 5.0


def open_notices(shell: Shell, watched: Callable[[], Container[PolicyName]]) -> NoticeLoop:
    """What carries the notices of the policies that are watched, or were a moment ago."""
    notifier = shell.notifier or ChannelNotifier(os.environ, shell.settings.tracking_uri)
    daemon = this_holder()
    holder = f"{daemon}:{uuid.uuid4().hex[:8]}"
    courier = Courier(shell.store, notifier, shell.channels, shell.telemetry, holder, watched, daemon=daemon)
    return NoticeLoop(courier, shell.telemetry)


class NoticeLoop:
    """Looks for messages that are due, and sends each on a thread that ends with it.

    What is under way when it is stopped, and does not end soon, is sent again by whoever comes next.
    """

    def __init__(self, courier: Courier, telemetry: Telemetry, look_seconds: float = LOOK_SECONDS) -> None:
        self._courier = courier
        self._telemetry = telemetry
        self._look_seconds = look_seconds
        self._stopping = threading.Event()
        self._under_way: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and wait a little for what is under way."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        with self._lock:
            under_way = list(self._under_way)
        for one in under_way:
            one.join(STOP_SECONDS / max(len(under_way), 1))

    def _run(self) -> None:
        looks_until_tidy = 0
        while not self._stopping.is_set():
            try:
                if looks_until_tidy <= 0:
                    self._courier.tidy()
                    self._courier.remind()
                    looks_until_tidy = round(TIDY_SECONDS / self._look_seconds)
                looks_until_tidy -= 1
                self._look()
            except Exception as error:  # noqa: BLE001  # a database that is away must not end the couriers
                self._report(error)
            self._stopping.wait(self._look_seconds)

    def _look(self) -> None:
        with self._lock:
            free = CARRIERS - len(self._under_way)
        for message in self._courier.claim_due(free):
            carrier = threading.Thread(target=self._carry, args=[message], name="notice", daemon=True)
            with self._lock:
                self._under_way.add(carrier)
            carrier.start()

    def _carry(self, message: Message) -> None:
        try:
            self._courier.deliver(message)
            self._courier.measure()
        except Exception as error:  # noqa: BLE001  # the claim runs out, and it is sent again
            self._report(error)
        finally:
            with self._lock:
                self._under_way.discard(threading.current_thread())

    def _report(self, error: Exception) -> None:
        self._telemetry.log("notices_failed", message=str(error), traceback=traceback.format_exc())

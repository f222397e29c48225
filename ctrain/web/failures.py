"""How often an address may be wrong about who it is."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

FAILURES = 10
WINDOW_SECONDS = 60.0
ADDRESSES = 10_000


class FailureLimit:
    """Counts failed attempts by address, those of the last minute; the addresses are bounded, too.

    The neighbours of an IPv6 address up to its /64 count as one: a single machine has them all.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def retry_after(self, address: str) -> int:
        """Seconds until the address may try again; 0 when it may now."""
        with self._lock:
            failed = self._recent(_network_of(address))
            if len(failed) < FAILURES:
                return 0
            return max(1, math.ceil(failed[0] + WINDOW_SECONDS - self._monotonic()))

    def count(self, address: str) -> None:
        """Note that the address has failed now."""
        with self._lock:
            key = _network_of(address)
            failed = self._recent(key)
            failed.append(self._monotonic())
            self._failed[key] = failed
            self._failed.move_to_end(key)
            while len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)

    def _recent(self, key: str) -> deque[float]:
        failed = self._failed.get(key) or deque(maxlen=FAILURES)
        since = self._monotonic() - WINDOW_SECONDS
        while failed and failed[0] <= since:
            failed.popleft()
        return failed


def _network_of(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)

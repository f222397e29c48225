"""Room for decoded profiles, in equal shares for the policies of a daemon."""

from __future__ import annotations

from weakref import WeakSet

DAEMON_BYTES = 48 * 2**20
"""For all policies together: hundreds of them must not take what one may."""
POLICY_BYTES = 32 * 2**20


class ProfileMemory:
    """How many bytes of decoded profiles each of its users may keep; the rest is read from the store again.

    >>> memory, users = ProfileMemory(each=60, together=100), [frozenset({1}), frozenset({2})]
    >>> for user in users:
    ...     memory.join(user)
    ...     print(memory.share)
    60
    50
    """

    def __init__(self, each: int = POLICY_BYTES, together: int = DAEMON_BYTES) -> None:
        self._each, self._together = each, together
        self._users: WeakSet[object] = WeakSet()

    def join(self, user: object) -> None:
        """Give ``user`` a share for as long as it lives."""
        self._users.add(user)

    @property
    def share(self) -> int:
        """Bytes for each user."""
        return min(self._each, self._together // max(len(self._users), 1))

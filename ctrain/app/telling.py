"""A store for commands that write events of their own: the policy's channels are told of them, too.

Only what is told, and to which channel, is taken from the policy's file. Where a channel is, the daemon
knows; the variable that says so need not be set where a person types a command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.clocks import StreamClock
from ctrain.engine.noticed_store import NoticedStore
from ctrain.engine.notices import channels_of
from ctrain.errors import PolicyError
from ctrain.policy.files import load_policy

if TYPE_CHECKING:
    from ctrain.domain import Channel, PolicyName
    from ctrain.policy.models import Policy
    from ctrain.ports import Clock, Store

UNKNOWN = "https://unknown.invalid"


class Lenient(Mapping[str, str]):
    """An environment in which every variable is set, the unknown ones to an address of nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return self._environ.get(name) or UNKNOWN

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def told_channels(policy: Policy, clock: Clock) -> tuple[Channel, ...]:
    """The channels of a policy; none on stream time, where nobody is told of anything."""
    return () if isinstance(clock, StreamClock) else channels_of(policy)


def telling(store: Store, policy: PolicyName, clock: Clock) -> Store:
    """The store, whose events also go to the policy's channels.

    The store as it is where the policy's file cannot be used: what a person asks for is done all the same.
    """
    with store.read() as tx:
        record = tx.policy_record(policy)
    if record is None:
        return store
    try:
        found = load_policy(Path(record.path), Lenient(os.environ)).policy
    except PolicyError:
        return store
    channels = tuple(one for one in told_channels(found, clock) if one.policy == policy)
    return NoticedStore(store, channels, found.model.name) if channels else store

"""A policy that cannot be watched: why, on record like that of a file which is refused by a reload."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.app.wiring import telling_store
from ctrain.domain import Event, PolicyName
from ctrain.engine.troubles import POLICY_ACCEPTED, POLICY_REFUSED, begin_trouble
from ctrain.engine.watch import ACTOR
from ctrain.errors import CtrainError
from ctrain.telemetry.logs import Redactor

if TYPE_CHECKING:
    from ctrain.app.wiring import Shell
    from ctrain.policy.loaded import LoadedPolicy
    from ctrain.ports import Clock, Store, Transaction


@dataclass(frozen=True, slots=True)
class Unwatched:
    """What stands in the place of a watch that cannot be opened: its history can be told."""

    name: PolicyName
    store: Store
    redact: Callable[[str], str]
    clock: Clock
    policy_hash: str
    lease: tuple[str, int]

    def fence(self, tx: Transaction) -> None:
        """Raise StateConflict when another daemon has taken over."""
        tx.require_token(*self.lease)

    def event(self, kind: str, message: str) -> Event:
        return Event(self.name, kind, self.clock.now(), ACTOR, message, policy_hash=self.policy_hash)


def tell_refused(shell: Shell, loaded: LoadedPolicy, lease: tuple[str, int], why: str) -> None:
    """Put on record why the policy is not watched; nothing when it never was: it has no history."""
    policy, name = loaded.policy, PolicyName(loaded.policy.policy)
    try:
        with shell.store.read() as tx:
            if tx.policy_record(name) is None:
                return
        unwatched = Unwatched(
            name=name,
            store=telling_store(shell, policy),
            redact=Redactor(os.environ, policy.train.env).redact,
            clock=shell.clock,
            policy_hash=loaded.hash,
            lease=lease,
        )
        begin_trouble(unwatched, POLICY_REFUSED, POLICY_ACCEPTED, f"{loaded.path.name}: {why}")
    except CtrainError as error:
        shell.telemetry.log("trouble_record_failed", policy=name, message=str(error))

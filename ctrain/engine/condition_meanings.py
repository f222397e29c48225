"""Conditions that a changed policy makes mean something else: by what they were met before counts no more.

Noted when a daemon takes the policy over, so that a restart forgets nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import NO_VERSION, MonitorName, PolicyName, TriggerName
from ctrain.policy.triggers import Condition

if TYPE_CHECKING:
    from ctrain.policy.models import Policy
    from ctrain.ports import Transaction

MEMORY = MonitorName("condition meanings")
SAYS_WHERE = frozenset({"url", "token"})
"""Keys of a monitor that say where a value comes from; they may hold secrets."""


def note_conditions(tx: Transaction, policy: Policy) -> None:
    """Let each condition begin anew that was not there at the last look, or meant something else.

    How long it must hold, or stays met, is not part of what it means. Where nothing has been noted yet
    all go on.
    """
    name = PolicyName(policy.policy)
    noted = tx.detector(name, MEMORY, NO_VERSION)
    conditions = {key: one for key, one in policy.triggers.items() if isinstance(one, Condition)}
    meanings = {key: _meaning(policy, one) for key, one in conditions.items()}
    if meanings == noted:
        return
    for key, meaning in meanings.items():
        if noted is not None and noted.get(key) != meaning:
            state = tx.trigger_state(name, TriggerName(key))
            tx.save_trigger_state(name, replace(state, met_since=None, last_met_at=None))
    tx.save_detector(name, MEMORY, NO_VERSION, meanings)


def _meaning(policy: Policy, condition: Condition) -> str:
    """SHA-256 over how many of which monitors must be BREACHED, and what each of them looks for."""
    monitors = {
        name: policy.monitors[name].model_dump(mode="json", exclude_defaults=True, exclude=set(SAYS_WHERE))
        for name in condition.monitors
    }
    text = json.dumps([condition.needed, monitors], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

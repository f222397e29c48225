"""Regret triggers in the engine: matured losses are folded pane by pane, each row exactly once.

What is remembered belongs to a model version and is committed with the pane, so that a restart and a
backlog come to the same regret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Champion, Decision, Outcome, TriggerName
from ctrain.engine.assess.served import served
from ctrain.engine.sight import Sight
from ctrain.engine.watched_values import losses_of
from ctrain.policy.triggers import Prices, Regret
from ctrain.triggers.regret import (
    RegretMemory,
    known_memory,
    last_purchase,
    memory_name,
    pane_losses,
)
from ctrain.triggers.regret_decision import price_of_training, regret_decision
from ctrain.triggers.training_time import time_spent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

RUNS_REMEMBERED = 100


@dataclass(slots=True)
class Regrets:
    """The regret triggers of a policy and what they remember of the champion in force."""

    watch: Watch
    champion: Champion | None
    triggers: Mapping[TriggerName, Prices]
    prices: Mapping[TriggerName, float]
    """Of a training, as of now."""
    memories: dict[TriggerName, RegretMemory]

    @classmethod
    def load(cls, watch: Watch, tx: Transaction, champion: Champion | None) -> Regrets:
        """As committed last; what a promotion or a training has ended since begins anew."""
        triggers = {
            TriggerName(key): one.regret
            for key, one in watch.policy.triggers.items()
            if isinstance(one, Regret)
        }
        runs = tx.runs(watch.name, limit=RUNS_REMEMBERED) if triggers else []
        spent, timeout = time_spent(runs), watch.policy.train.timeout
        memories = {}
        if champion is not None:
            metric, bought = watch.policy.model.metric, last_purchase(runs)
            for name in triggers:
                stored = tx.detector(watch.name, memory_name(name), champion.version)
                memories[name] = known_memory(stored, metric).begun(metric, champion.since_at, bought)
        prices = {name: price_of_training(one, spent, timeout) for name, one in triggers.items()}
        return cls(watch, champion, triggers, prices, memories)

    def fold(self, sight: Sight, as_of: datetime) -> None:
        """Take in the rows whose labels have matured with the pane that ends at ``as_of``."""
        if not self.memories:
            return
        found = served(sight.champion, sight.losses)
        if isinstance(found, str):
            return
        data = self.watch.policy.data
        for name, memory in self.memories.items():
            known = {"until": memory.until} if memory.until else {}
            unread, until = found.unread(known, as_of - data.labels.matures_after, data.pane)
            panes = pane_losses(*losses_of(self.watch.policy, found.rows.part(unread)), data.pane)
            folded = memory.after(self.triggers[name], panes, data.pane)
            self.memories[name] = replace(folded, until=until.isoformat())

    def decisions(self) -> dict[TriggerName, Decision]:
        """What each trigger wants, before limits."""
        return {
            name: regret_decision(name, prices, self.memories.get(name), self.prices[name])
            for name, prices in self.triggers.items()
        }

    def met(self) -> frozenset[TriggerName]:
        """The triggers whose price has been reached."""
        return frozenset(name for name, one in self.decisions().items() if one.outcome is Outcome.FIRED)

    def save(self, tx: Transaction) -> None:
        if self.champion is not None:
            for name, memory in self.memories.items():
                tx.save_detector(self.watch.name, memory_name(name), self.champion.version, memory.to_json())

"""Triggers on regret: what is remembered of a champion between panes.

The fresh loss is that of the champion itself on rows that it was not trained on: held-out ones, and where
these are too few (or it was adopted) the first matured ones that it served. The rent counts from the last
purchase: from its promotion, or from a training since that brought no better model.

A trigger that is added to the policy of a champion which has served for long can compare it with its rows
from then on alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import Json, MonitorName, Run, TriggerName
from ctrain.policy.triggers import Prices
from ctrain.stats.regret import FreshLoss, Regret, fresh_loss

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]

STATE_VERSION = 1
MOST_POOLED = 2000
"""Panes of fresh losses that are kept while they say nothing."""


@dataclass(frozen=True, slots=True)
class PaneLoss:
    """The losses of the rows of one pane."""

    start: float
    """In seconds since 1970."""
    rows: int
    losses: float


def pane_losses(event_at: Instants, losses: Floats, pane: timedelta) -> list[PaneLoss]:
    """Return the finite losses by pane; ``event_at`` is ascending and means UTC.

    >>> noon = np.datetime64("2026-05-01T12:00", "us")
    >>> minutes = np.array([0, 59, 60], dtype="timedelta64[m]")
    >>> [
    ...     (one.rows, one.losses)
    ...     for one in pane_losses(noon + minutes, np.array([0.25, 0.5, 1]), timedelta(hours=1))
    ... ]
    [(2, 0.75), (1, 1.0)]
    """
    usable = np.isfinite(losses)
    if not usable.any():
        return []
    seconds = event_at[usable].astype("datetime64[us]").astype(np.int64) / 1e6
    numbers, index = np.unique(np.floor(seconds / pane.total_seconds()), return_inverse=True)
    rows, sums = np.bincount(index), np.bincount(index, losses[usable])
    starts = numbers * pane.total_seconds()
    return [PaneLoss(*one) for one in zip(starts.tolist(), rows.tolist(), sums.tolist(), strict=True)]


def memory_name(trigger: TriggerName) -> MonitorName:
    """Return the name under which a trigger's memory is kept, which no monitor can have."""
    return MonitorName(f"trigger {trigger}")


@dataclass(frozen=True, slots=True)
class RegretMemory:
    """What is remembered of one model version."""

    metric: str
    """What its losses are."""
    until: str | None = None
    """Rows before this instant have been read."""
    since: str = ""
    """When the version became champion for the last time."""
    training: str = ""
    """The run that made the last purchase."""
    fresh: FreshLoss | None = None
    pool: tuple[PaneLoss, ...] = ()
    """Fresh losses, while they are too few."""
    regret: Regret = field(default_factory=Regret)

    def begun(self, metric: str, since: datetime, training: str) -> RegretMemory:
        """The same memory, without what another promotion, purchase or metric has ended."""
        memory = self if self.metric == metric else RegretMemory(metric, until=self.until)
        bought = (since.isoformat(), training)
        if (memory.since, memory.training) == bought:
            return memory
        return replace(memory, since=bought[0], training=bought[1], regret=Regret())

    def after(self, prices: Prices, panes: Iterable[PaneLoss], pane: timedelta) -> RegretMemory:
        """The memory after the rows of more panes; those that make the fresh loss cost nothing."""
        memory = self
        for one in panes:
            memory = memory._paid(one) if memory.fresh else memory.fresh_from(prices, [one], pane)
        return memory

    def fresh_from(self, prices: Prices, panes: Sequence[PaneLoss], pane: timedelta) -> RegretMemory:
        """The memory with the fresh loss of all ``panes``, which are kept where they are too few."""
        pool = (*self.pool, *panes)[-MOST_POOLED:]
        fresh = None
        if sum(one.rows for one in pool) >= prices.min_rows:
            starts, rows, losses = ([getattr(one, name) for one in pool] for name in PaneLoss.__slots__)
            fresh = fresh_loss(starts, rows, losses, pane)
        return replace(self, fresh=fresh, pool=() if fresh else pool)

    def _paid(self, one: PaneLoss) -> RegretMemory:
        assert self.fresh is not None
        at = datetime.fromtimestamp(one.start, UTC).isoformat()
        return replace(self, regret=self.regret.after(self.fresh, one.rows, one.losses, at))

    def to_json(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "metric": self.metric,
            "until": self.until,
            "since": self.since,
            "training": self.training,
            "fresh": self.fresh.to_json() if self.fresh else None,
            "pool": [[one.start, one.rows, one.losses] for one in self.pool],
            "regret": self.regret.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Json) -> RegretMemory:
        fresh = stored["fresh"]
        return cls(
            metric=stored["metric"],
            until=stored["until"],
            since=stored["since"],
            training=stored["training"],
            fresh=FreshLoss.from_json(fresh) if fresh else None,
            pool=tuple(PaneLoss(*one) for one in stored["pool"]),
            regret=Regret.from_json(stored["regret"]),
        )


def known_memory(stored: Json | None, metric: str) -> RegretMemory:
    """Return the memory as it is stored, or an empty one."""
    if stored is None or stored.get("version") != STATE_VERSION:
        return RegretMemory(metric)
    return RegretMemory.from_json(stored)


def last_purchase(runs: Sequence[Run]) -> str:
    """Return the id of the newest run that came to a model, or nothing; ``runs`` are newest first.

    A training that failed brought nothing to wait for, and so may be tried again.
    """
    return next((str(run.id) for run in runs if run.challenger_version is not None), "")

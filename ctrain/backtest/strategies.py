"""When to retrain: as the policy says, never, at fixed intervals, always, or on one detector.

The simple strategies keep the policy's data, label delay, trainer, training window and gates. They have
no shadow, so that what passes its gates serves at once, and no limit but that nothing is trained again
without a new label.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.backtest.steps import GRID_STEPS
from ctrain.policy.models import Blackout, FromChampion, Limits
from ctrain.policy.monitors import ChangeMonitor
from ctrain.policy.triggers import AnyOf

if TYPE_CHECKING:
    from ctrain.policy.files import LoadedPolicy
    from ctrain.policy.monitors import Monitor
    from ctrain.policy.triggers import Trigger

BASELINES = ("never", "periodic", "always", "adwin")
UNSHADOWED = "unshadowed"
"""The policy itself, except that what passes its gates is promoted at once."""
STRATEGIES = (*BASELINES, UNSHADOWED)
FOLLOW = frozenset({"periodic"})
"""They retrain as often as the policy did."""
PHASES = 4
"""Of the fixed intervals: what they reach hangs on when they begin, so that several are averaged."""
DETECTOR = "adwin"


@dataclass(frozen=True, slots=True)
class Plan:
    """From when to when history is replayed, and how finely."""

    starts_at: datetime
    """The first model is trained then, or when the blackout is over."""
    ends_at: datetime
    step: timedelta
    """What watches rows looks so often."""
    shadow_step: timedelta
    """And so often while a shadow runs: every row longer that the old model serves counts."""
    grid_steps: int = GRID_STEPS
    blackout: tuple[Blackout, ...] = ()
    """Of the policy: no strategy is asked for its first model then, so that all begin with the same one."""

    def grid(self, steps: int) -> tuple[datetime, ...]:
        """The instants between ``steps`` equal parts of the time, neither end among them."""
        length = self.ends_at - self.starts_at
        return tuple(self.starts_at + length * part / steps for part in range(1, steps))

    def interval(self, times: int, phase: float) -> tuple[datetime, ...]:
        """So many instants at equal distance, the first after the share ``phase`` of that distance."""
        length = self.ends_at - self.starts_at
        return tuple(self.starts_at + length * (part + phase) / times for part in range(times))


@dataclass(frozen=True, slots=True)
class Strategy:
    """A policy to run, and what somebody asks of it."""

    name: str
    loaded: LoadedPolicy
    asks_at: tuple[datetime, ...] = ()
    """When a person would ask for a run."""
    watches: bool = False
    """There are monitors or schedules that need every step."""
    direct: bool = True
    """What passes its gates is promoted at once."""


def as_written(loaded: LoadedPolicy) -> Strategy:
    """The policy itself."""
    return Strategy("policy", loaded, watches=True, direct=False)


def baselines(
    name: str, loaded: LoadedPolicy, plan: Plan, retrains: int, phases: int = PHASES
) -> tuple[Strategy, ...]:
    """The simple strategy of this name; several, where it is one that can begin at several times.

    ``retrains`` is how often the policy retrained.

    Raises
    ------
    ValueError
        when there is no strategy of that name.
    """
    match name:
        case "never":
            return (Strategy(name, _simplified(loaded, name)),)
        case "periodic":
            own = _simplified(loaded, name)
            if not retrains:
                return (Strategy(name, own),)
            asks = [plan.interval(retrains, (phase + 0.5) / phases) for phase in range(phases)]
            return tuple(Strategy(f"{name}-{phase}", own, one) for phase, one in enumerate(asks, 1))
        case "always":
            return (Strategy(name, _simplified(loaded, name), plan.grid(plan.grid_steps)),)
        case "adwin":
            hold = loaded.policy.data.pane
            detector = ChangeMonitor(type="change", detector="adwin", on="loss", direction="up", hold=hold)
            triggers: dict[str, Trigger] = {DETECTOR: AnyOf(any=(DETECTOR,))}
            own = _simplified(loaded, name, {DETECTOR: detector}, triggers)
            return (Strategy(name, own, watches=True),)
        case "unshadowed":
            return (Strategy(name, loaded, watches=True),)
    raise ValueError(f"{name!r}: expected one of {', '.join(STRATEGIES)}")


def _simplified(
    loaded: LoadedPolicy,
    name: str,
    monitors: dict[str, Monitor] | None = None,
    triggers: dict[str, Trigger] | None = None,
) -> LoadedPolicy:
    policy = loaded.policy.model_copy(
        update={
            "monitors": monitors or {},
            "triggers": triggers or {},
            "limits": Limits(min_new_labels=1, cooldown=loaded.policy.data.pane),
            "reference": FromChampion(**{"from": "champion"}),
        }
    )
    own = hashlib.sha256(f"{loaded.hash} {name}".encode()).hexdigest()
    return replace(loaded, policy=policy, hash=own)

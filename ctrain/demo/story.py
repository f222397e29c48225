"""The acts of the demo: what is left to the data, what a person starts, and what is broken on purpose.

Pure: from what is known after a step it follows what to do next, so the same stream always gives
the same story. Nothing is staged while a run is active, and a trigger that ctrain refused because a
real one was first is given again when that run has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ctrain.domain import Phase, Run, Version

FIRST_MODEL_AFTER = timedelta(days=24)
"""Three whole weeks of flights whose labels have come: enough to see how much its own weeks vary."""
FUSE_BURNS_FOR = timedelta(days=37)
"""Longer than the shadow may take, shorter than shadow and probation together."""
AFTERMATH = timedelta(days=7)


class Act(StrEnum):
    """What happens, in order."""

    FIRST_MODEL = "first model"
    REAL_DRIFT = "real drift"
    SHUFFLED_LABELS = "shuffled labels"
    FUSE = "fuse"
    AFTERMATH = "aftermath"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Staging:
    """A trigger given by hand: reason and parameters as ``ctrain trigger`` takes them."""

    act: Act
    reason: str
    params: Mapping[str, str] = field(default_factory=dict)


STAGED_AS = {Act.SHUFFLED_LABELS: "shuffled_labels", Act.FUSE: "fuse"}
"""Acts with a model broken on purpose, and the parameter ``staged`` that breaks it."""
FIRST_REASON = "the first model, trained on the first three weeks"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known once the daemon is quiet at ``now``."""

    started_at: datetime
    now: datetime
    champion: Version | None
    runs: Sequence[Run]
    """Newest first."""

    @property
    def active(self) -> Run | None:
        return next((run for run in self.runs if not run.phase.ended), None)


def asked(run: Run) -> Mapping[str, Any]:
    """Return reason and parameters as a person gave them to ``ctrain trigger``; empty for others."""
    request: Mapping[str, Any] = run.details.get("request", {})
    return request


def staged_as(run: Run) -> str | None:
    """Return how the model of this run was broken on purpose, or None when it was not."""
    staged: str | None = asked(run).get("params", {}).get("staged")
    return staged


def is_real_drift(run: Run) -> bool:
    """True for a run that monitors started, not a person."""
    return not asked(run)


def run_of(runs: Sequence[Run], act: Act) -> Run | None:
    """Return the newest run that plays this act."""
    match act:
        case Act.FIRST_MODEL:
            return next((run for run in runs if asked(run).get("reason") == FIRST_REASON), None)
        case Act.REAL_DRIFT:
            return next((run for run in runs if is_real_drift(run)), None)
        case _:
            return next((run for run in runs if act in STAGED_AS and staged_as(run) == STAGED_AS[act]), None)


ENDINGS = {
    Act.FIRST_MODEL: Phase.ACCEPTED,
    Act.REAL_DRIFT: Phase.ACCEPTED,
    Act.SHUFFLED_LABELS: Phase.REJECTED,
    Act.FUSE: Phase.ROLLED_BACK,
}
"""How the run of each act should end."""
PROMISED = {
    Act.FIRST_MODEL: "a first champion",
    Act.REAL_DRIFT: "a challenger trained on real drift, promoted and kept",
    Act.SHUFFLED_LABELS: "the model of shuffled labels rejected",
    Act.FUSE: "the model with the fuse promoted and rolled back",
}


def current_act(scene: Scene) -> Act:
    """Return the act that is playing: the first whose run has not ended as it should."""
    for act in ENDINGS:
        if not _came_true(scene.runs, act):
            return act
    fused = run_of(scene.runs, Act.FUSE)
    assert fused is not None
    over = fused.ended_at is not None and scene.now >= fused.ended_at + AFTERMATH
    return Act.OVER if over else Act.AFTERMATH


def gone_wrong(scene: Scene) -> str | None:
    """Return what went otherwise than told, so that the rest cannot follow; None while it can.

    A challenger of real drift may lose: then the story waits for the next one.
    """
    for act in (Act.FIRST_MODEL, Act.SHUFFLED_LABELS, Act.FUSE):
        run = run_of(scene.runs, act)
        if run is not None and run.phase.ended and run.phase is not ENDINGS[act]:
            return f"{run.id} ({act}) ended {run.phase}, expected {ENDINGS[act]}: {run.outcome_reason}"
    return None


def next_staging(scene: Scene) -> Staging | None:
    """Return the trigger to give by hand now, or None: the stream or a run has to move first."""
    if scene.active is not None:
        return None
    match current_act(scene):
        case Act.FIRST_MODEL if scene.now >= scene.started_at + FIRST_MODEL_AFTER:
            return Staging(Act.FIRST_MODEL, FIRST_REASON)
        case Act.SHUFFLED_LABELS as act:
            return Staging(act, "STAGED: labels shuffled before training", {"staged": STAGED_AS[act]})
        case Act.FUSE as act:
            day = (scene.now + FUSE_BURNS_FOR).date().isoformat()
            reason = f"STAGED: a fuse on the calendar, the model is wrong from {day} on"
            return Staging(act, reason, {"staged": STAGED_AS[act], "fuse_at": day})
        case _:
            return None


def unmet(runs: Sequence[Run]) -> list[str]:
    """Return what the story promised and the runs do not show; nothing when all went as it should."""
    return [promise for act, promise in PROMISED.items() if not _came_true(runs, act)]


def _came_true(runs: Sequence[Run], act: Act) -> bool:
    if act is Act.REAL_DRIFT:
        return any(is_real_drift(run) and run.phase is ENDINGS[act] for run in runs)
    run = run_of(runs, act)
    return run is not None and run.phase is ENDINGS[act]

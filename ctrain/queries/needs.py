"""What would have to be true for a trigger to fire, from the newest decision about it."""

from __future__ import annotations

from datetime import datetime

from ctrain.domain import Decision, Outcome, Status, Suppression
from ctrain.triggers.limits import shown
from ctrain.triggers.regret_decision import money

_REMEDIES = {
    Suppression.ACTIVE_RUN: "the active run must end",
    Suppression.PAUSED: "`ctrain resume` must end the pause",
    Suppression.COOLDOWN: "the cooldown must end",
    Suppression.BACKOFF: "the backoff must end",
    Suppression.BUDGET: "the budget's window must free a run",
    Suppression.BLACKOUT: "the blackout must end",
    Suppression.NEW_LABELS: "more labelled rows must come",
    Suppression.INSUFFICIENT_DATA: "more labelled rows must mature in the training window",
    Suppression.CHAMPION_UNREADABLE: "the registry must answer",
    Suppression.MISSED: "the next occurrence must come",
}


def needs_of(decision: Decision) -> tuple[str, ...]:
    """One clause per thing that is missing; nothing when the trigger fired."""
    if decision.outcome is Outcome.FIRED:
        return ()
    if decision.suppression is not None:
        return (_REMEDIES[decision.suppression],)
    return _monitors(decision) + _labels(decision) + _regret(decision)


def _monitors(decision: Decision) -> tuple[str, ...]:
    """What conditions lack; decisions that were made before they told how many are needed need all."""
    monitors, evidence = decision.evidence.get("monitors", {}), decision.evidence
    if evidence.get("met_from") is not None:
        return (f"it must last until {shown(datetime.fromisoformat(evidence['met_from']))}",)
    others = {name: one for name, one in monitors.items() if one["status"] != Status.BREACHED.value}
    missing = evidence.get("needed", len(monitors)) - (len(monitors) - len(others))
    if missing <= 0:
        return ()
    told = [
        f"{name} must be BREACHED (it is {one['status']}{_measured(one['value'], one['threshold'])})"
        for name, one in others.items()
    ]
    if missing < len(others):
        return (f"{missing} of {len(others)}: {' or '.join(told)}",)
    return tuple(told)


def _measured(value: float | None, threshold: float | None) -> str:
    if value is None or threshold is None:
        return ""
    return f": {value:.4g}, threshold {threshold:.4g}"


def _labels(decision: Decision) -> tuple[str, ...]:
    evidence = decision.evidence
    if "new_labels" not in evidence or "threshold" not in evidence:
        return ()
    return (f"{evidence['threshold'] - evidence['new_labels']} more labelled rows must come",)


def _regret(decision: Decision) -> tuple[str, ...]:
    evidence = decision.evidence
    if "regret" not in evidence:
        return ()
    if evidence["regret"] is None:
        return ("what a fresh model costs must be known",)
    missing = evidence["price"] - evidence["regret"]
    return (f"{money(missing)} {evidence['currency']} more of excess loss must be certain",)

"""The life of a run as one table: which event moves which phase where.

An event that is not in the table for a phase is illegal there: ``next_phase`` raises and nothing
has changed. The store applies a move only while the run still stands in the phase it was derived
from, so this table together with that condition is the whole state machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ctrain.domain import Phase
from ctrain.errors import IllegalTransition


class RunEvent(StrEnum):
    """What can happen to a run."""

    PREPARE = "prepare"
    """Rows for training and holdout are ready: training starts."""
    TRAINED = "trained"
    PASS = "pass"  # nosec B105 # an event, no password
    """The gates let the challenger through to the shadow."""
    PASS_FIRST = "pass_first"  # nosec B105 # the same
    """The gates let a first champion through; there is nobody to compare it with."""
    PROMOTE = "promote"
    """The shadow, or a person who was asked, wants the challenger as champion."""
    AWAIT_APPROVAL = "await_approval"
    APPROVE = "approve"
    PROMOTED = "promoted"
    """The champion alias names the challenger; probation begins."""
    PROMOTED_FIRST = "promoted_first"
    """The champion alias names a first champion; there is no previous one to watch it against."""
    ACCEPT = "accept"
    ROLL_BACK = "roll_back"
    """The previous champion was better, or an attempt to move back is made again."""
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    REJECT = "reject"
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    """Someone else moved the alias."""


TRANSITIONS: Mapping[tuple[Phase, RunEvent], Phase] = MappingProxyType(
    {
        (Phase.QUEUED, RunEvent.PREPARE): Phase.TRAINING,
        (Phase.QUEUED, RunEvent.FAIL): Phase.FAILED,
        (Phase.QUEUED, RunEvent.CANCEL): Phase.CANCELLED,
        (Phase.TRAINING, RunEvent.TRAINED): Phase.EVALUATING,
        (Phase.TRAINING, RunEvent.REJECT): Phase.REJECTED,
        (Phase.TRAINING, RunEvent.FAIL): Phase.FAILED,
        (Phase.TRAINING, RunEvent.CANCEL): Phase.CANCELLED,
        (Phase.EVALUATING, RunEvent.PASS): Phase.SHADOWING,
        (Phase.EVALUATING, RunEvent.PASS_FIRST): Phase.PROMOTING,
        (Phase.EVALUATING, RunEvent.AWAIT_APPROVAL): Phase.AWAITING_APPROVAL,
        (Phase.EVALUATING, RunEvent.REJECT): Phase.REJECTED,
        (Phase.EVALUATING, RunEvent.FAIL): Phase.FAILED,
        (Phase.EVALUATING, RunEvent.CANCEL): Phase.CANCELLED,
        (Phase.SHADOWING, RunEvent.PROMOTE): Phase.PROMOTING,
        (Phase.SHADOWING, RunEvent.AWAIT_APPROVAL): Phase.AWAITING_APPROVAL,
        (Phase.SHADOWING, RunEvent.REJECT): Phase.REJECTED,
        (Phase.SHADOWING, RunEvent.FAIL): Phase.FAILED,
        (Phase.SHADOWING, RunEvent.CANCEL): Phase.CANCELLED,
        (Phase.SHADOWING, RunEvent.SUPERSEDE): Phase.SUPERSEDED,
        (Phase.AWAITING_APPROVAL, RunEvent.APPROVE): Phase.PROMOTING,
        (Phase.AWAITING_APPROVAL, RunEvent.REJECT): Phase.REJECTED,
        (Phase.AWAITING_APPROVAL, RunEvent.EXPIRE): Phase.EXPIRED,
        (Phase.AWAITING_APPROVAL, RunEvent.FAIL): Phase.FAILED,
        (Phase.AWAITING_APPROVAL, RunEvent.CANCEL): Phase.CANCELLED,
        (Phase.AWAITING_APPROVAL, RunEvent.SUPERSEDE): Phase.SUPERSEDED,
        (Phase.PROMOTING, RunEvent.PROMOTED): Phase.PROBATION,
        (Phase.PROMOTING, RunEvent.PROMOTED_FIRST): Phase.ACCEPTED,
        (Phase.PROMOTING, RunEvent.FAIL): Phase.FAILED,
        (Phase.PROMOTING, RunEvent.SUPERSEDE): Phase.SUPERSEDED,
        (Phase.PROBATION, RunEvent.ACCEPT): Phase.ACCEPTED,
        (Phase.PROBATION, RunEvent.ROLL_BACK): Phase.ROLLING_BACK,
        (Phase.PROBATION, RunEvent.CANCEL): Phase.ROLLING_BACK,
        (Phase.PROBATION, RunEvent.SUPERSEDE): Phase.SUPERSEDED,
        (Phase.ROLLING_BACK, RunEvent.ROLLED_BACK): Phase.ROLLED_BACK,
        (Phase.ROLLING_BACK, RunEvent.ROLLBACK_FAILED): Phase.ROLLBACK_FAILED,
        (Phase.ROLLING_BACK, RunEvent.SUPERSEDE): Phase.SUPERSEDED,
        (Phase.ROLLBACK_FAILED, RunEvent.ROLL_BACK): Phase.ROLLING_BACK,
        (Phase.ROLLBACK_FAILED, RunEvent.SUPERSEDE): Phase.SUPERSEDED,
    }
)

CANCELLABLE = frozenset(phase for phase, event in TRANSITIONS if event is RunEvent.CANCEL)
"""Phases in which a run can be cancelled; on probation that rolls it back."""


def next_phase(phase: Phase, event: RunEvent) -> Phase:
    """Return the phase that ``event`` leads to; raise IllegalTransition where it is not accepted.

    >>> next_phase(Phase.PROBATION, RunEvent.CANCEL)
    <Phase.ROLLING_BACK: 'ROLLING_BACK'>
    """
    after = TRANSITIONS.get((phase, event))
    if after is None:
        accepted = ", ".join(event.value for known, event in TRANSITIONS if known is phase)
        raise IllegalTransition(
            f"a run that is {phase.value} does not accept {event.value!r}"
            + (f"; it accepts {accepted}" if accepted else "; it has ended")
        )
    return after

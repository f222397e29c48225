"""What a channel can be told: the words of ``notify[].on``, and the events of a policy's history behind them.

Events with one subject are about one matter: while the newest thing that a channel was told of it is the
same again, it is not told again before the repeat interval. A kind that is told each time has something
new to say each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Level = Literal["info", "success", "warning", "failure"]
Kind = Literal[
    "breached",
    "recovered",
    "fired",
    "suppressed",
    "training",
    "shadowing",
    "awaiting_approval",
    "probation",
    "promoted",
    "accepted",
    "rejected",
    "failed",
    "cancelled",
    "expired",
    "superseded",
    "rolling_back",
    "rolled_back",
    "rollback_failed",
    "champion_found",
    "champion_changed",
    "registry_unreadable",
    "registry_readable",
    "file_rejected",
    "source_note",
    "values_unread",
    "tick_failed",
    "tick_recovered",
    "policy_refused",
    "policy_accepted",
    "paused",
    "resumed",
]
"""The words of ``on``."""


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """One word of ``on``."""

    events: tuple[str, ...]
    """Kinds of events that it stands for; none where it is told of verdicts or decisions."""
    meaning: str
    level: Level = "info"
    subject: str = ""
    """The matter; empty: told each time."""


_OUTCOME, _REGISTRY, _TICK, _FILE = "outcome", "registry", "tick", "policy_file"
MONITOR, TRIGGER = "monitor", "trigger"
"""Subjects of which there are many: the name of the one follows."""
BREACHED, RECOVERED, SUPPRESSED = "breached", "recovered", "suppressed"
"""What is told of verdicts and decisions, which are no events of the history."""

NOTICE_KINDS: Mapping[str, NoticeKind] = MappingProxyType(
    {
        "breached": NoticeKind(
            (), "a monitor is BREACHED: drift, loss, quality, stale data", "warning", MONITOR
        ),
        "recovered": NoticeKind((), "a monitor of which that was told is OK again", "success", MONITOR),
        "fired": NoticeKind(("run_queued",), "a trigger started a run"),
        "suppressed": NoticeKind(
            (), "a trigger would have started a run, and something forbids it", "info", TRIGGER
        ),
        "training": NoticeKind(("run_training",), "a training began"),
        "shadowing": NoticeKind(("run_shadowing",), "a challenger passed its gates"),
        "awaiting_approval": NoticeKind(
            ("run_awaiting_approval",), "a promotion waits for a person", "warning"
        ),
        "probation": NoticeKind(("run_probation",), "a new champion is watched"),
        "promoted": NoticeKind(("promoted",), "a challenger became champion", "success"),
        "accepted": NoticeKind(("run_accepted",), "a new champion proved itself", "success"),
        "rejected": NoticeKind(("run_rejected",), "a challenger was not good enough", "info", _OUTCOME),
        "failed": NoticeKind(("run_failed",), "a run failed", "failure", _OUTCOME),
        "cancelled": NoticeKind(("run_cancelled",), "somebody ended a run"),
        "expired": NoticeKind(("run_expired",), "nobody approved a promotion in time", "warning"),
        "superseded": NoticeKind(
            ("run_superseded", "superseded"), "someone else moved the alias under ctrain", "warning"
        ),
        "rolling_back": NoticeKind(("run_rolling_back",), "the way back has begun", "warning", "rollback"),
        "rolled_back": NoticeKind(
            ("run_rolled_back", "rolled_back"), "the previous champion is champion again", "warning"
        ),
        "rollback_failed": NoticeKind(
            ("run_rollback_failed",), "the way back is closed; it is tried again", "failure", "rollback"
        ),
        "champion_found": NoticeKind(("champion_found",), "there is a champion of somebody else"),
        "champion_changed": NoticeKind(
            ("champion_changed_outside",), "somebody else moved the champion alias", "warning"
        ),
        "registry_unreadable": NoticeKind(
            ("registry_unreadable",), "MLflow does not answer", "failure", _REGISTRY
        ),
        "registry_readable": NoticeKind(("registry_readable",), "MLflow answers again", "success", _REGISTRY),
        "file_rejected": NoticeKind(
            ("file_rejected",), "a file of rows or labels was set aside", "warning", "file"
        ),
        "source_note": NoticeKind(("source_note",), "a source has something to say", "info", "source"),
        "values_unread": NoticeKind(
            ("values_unread",), "values of a column cannot be read", "warning", "values"
        ),
        "tick_failed": NoticeKind(
            ("tick_failed",), "ctrain cannot look after the policy at present", "failure", _TICK
        ),
        "tick_recovered": NoticeKind(
            ("tick_recovered",), "ctrain looks after the policy again", "success", _TICK
        ),
        "policy_refused": NoticeKind(
            ("policy_refused",),
            "its file is refused; at best the last good one is in force",
            "failure",
            _FILE,
        ),
        "policy_accepted": NoticeKind(
            ("policy_accepted",), "its file is valid again and in force", "success", _FILE
        ),
        "paused": NoticeKind(("paused",), "no run starts until somebody resumes it"),
        "resumed": NoticeKind(("resumed",), "runs may start again"),
    }
)
"""Every word of ``on``, with what it means."""

KIND_OF_EVENT: Mapping[str, str] = MappingProxyType(
    {event: word for word, kind in NOTICE_KINDS.items() for event in kind.events}
)
"""The word for each kind of event that can be told."""

"""What the domain classifiers found for the looks among a stretch of panes, without waiting for it.

A classifier is fitted in a child; a pane waits for the answers that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Champion, MonitorName
from ctrain.engine.classifier_question import Answer, Asked, Question
from ctrain.engine.looks import is_look
from ctrain.engine.segment_question import SegmentQuestion
from ctrain.policy.monitors import DomainClassifierMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

Look = tuple[MonitorName, datetime]
Separations = Mapping[Look, Answer]


def classifiers(watch: Watch) -> dict[MonitorName, DomainClassifierMonitor]:
    return {
        MonitorName(key): one
        for key, one in watch.policy.monitors.items()
        if isinstance(one, DomainClassifierMonitor)
    }


def load_separations(watch: Watch, champion: Champion, ends: Sequence[datetime]) -> Separations | None:
    """What every domain classifier found as of each of ``ends`` that it looks at; None: wait for it."""
    found: dict[Look, Asked] = {}
    wanted: set[str] = set()
    for name, monitor in classifiers(watch).items():
        looks = [end for end in ends if is_look(monitor, end)]
        if looks:
            kind = Question if monitor.by is None else SegmentQuestion
            question = kind(watch, champion, name, monitor)
            found |= {(name, as_of): question.ask(as_of) for as_of in looks}
            wanted |= question.keys
    _forget_all_but(watch, wanted)
    answered = {look: told for look, told in found.items() if told is not None}
    return answered if len(answered) == len(found) else None


def _forget_all_but(watch: Watch, wanted: set[str]) -> None:
    """Remove what was asked for panes that have been judged since, or for another champion."""
    for key in watch.analyses - wanted:
        watch.analyst.forget(key)
        watch.workspace.remove(key)
    watch.analyses.intersection_update(wanted)

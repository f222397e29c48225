"""Domain classifier: what it found as of the panes at whose end it looks."""

from __future__ import annotations

from datetime import datetime

from ctrain.domain import MonitorName, Verdict
from ctrain.engine.assess.outcome import inconclusive
from ctrain.engine.sight import Sight
from ctrain.monitors.classifier_segments import SegmentFindings, assess_segments
from ctrain.monitors.domain_classifier import assess_domain_classifier
from ctrain.policy.monitors import DomainClassifierMonitor


def domain_classifier_verdict(
    sight: Sight, name: MonitorName, monitor: DomainClassifierMonitor, as_of: datetime
) -> Verdict:
    """The verdict as of ``as_of``, at which it looks."""
    if sight.champion is None:
        return inconclusive(name, as_of, "there is no champion yet, so nothing to compare with")
    found = sight.separations.get((name, as_of), "the classifier was not asked")
    if isinstance(found, str):
        return inconclusive(name, as_of, found, sight.champion)
    if isinstance(found, SegmentFindings):
        return assess_segments(name, monitor, found, as_of, sight.champion.version)
    return assess_domain_classifier(name, monitor, found, as_of, sight.champion.version)

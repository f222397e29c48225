"""The one monitor that tells best how a policy's model does, for places with room for a single line."""

from __future__ import annotations

from ctrain.domain import MonitorName
from ctrain.policy.models import Policy

ORDER = ("performance", "estimated_performance", "change", "drift", "domain_classifier")
"""What tells most: a metric on labels, an estimate of one, the loss, the inputs."""


def main_monitor(policy: Policy) -> MonitorName | None:
    """Return the name of the monitor of the model's own metric, or of what comes next to it; None of none."""
    for name, one in policy.monitors.items():
        if one.type == "performance" and one.metric == policy.model.metric:
            return MonitorName(name)
    for kind in ORDER:
        for name, other in policy.monitors.items():
            if other.type == kind:
                return MonitorName(name)
    return next(map(MonitorName, policy.monitors), None)

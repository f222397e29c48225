"""Checks of what a policy means, beyond the types of its values."""

from __future__ import annotations

from ctrain.policy.document import Problem
from ctrain.policy.models import Policy


def check_policy(policy: Policy) -> list[Problem]:
    return []

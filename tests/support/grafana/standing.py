"""What both the dashboard of a policy and that of a run show of where the policy stands."""

from __future__ import annotations

from tests.support.grafana.mappings import OF_POLICY, phase_map, phase_number, value_map
from tests.support.grafana.panels import Panel, Query, bars, since_start, stat

PLAIN = (("text", None),)
LAST_TICK = f"max by (policy) (max_over_time(ctrain_tick_last_success_timestamp_seconds{{{OF_POLICY}}}[6h]))"
"""When a policy was looked after last, also when nobody is left to tell."""
REASONS = {
    "not_met": "no trigger is met",
    "fired": "a run has started",
    "active_run": "a run is under way",
    "paused": "paused by a person",
    "cooldown": "cooldown",
    "backoff": "backoff after a failure",
    "budget": "no budget left",
    "blackout": "blackout",
    "new_labels": "too few new labels",
    "insufficient_data": "too few rows to train",
    "champion_unreadable": "MLflow does not answer",
    "missed_occurrence": "a schedule was missed",
}
"""What triggers can come to, in words."""
NO_RUN = value_map({0: ("–", "text")})


def of_policy(metric: str) -> str:
    """A gauge of the policy, whichever daemon watches it."""
    return f"max by (policy) ({metric}{{{OF_POLICY}}})"


def run_now() -> Panel:
    return stat(
        "Run", "The phase of the active run.", phase_number(), mappings=phase_map(), paint="background"
    )


def phase_age() -> Panel:
    return stat(
        "In this phase",
        "How long the active run has been in its phase.",
        of_policy("ctrain_run_phase_age_seconds"),
        unit="s",
        mappings=NO_RUN,
        steps=PLAIN,
    )


def champion() -> Panel:
    return stat(
        "Champion",
        "The version that the champion alias names.",
        f"max by (policy, version) (ctrain_champion_info{{{OF_POLICY}}})",
        legend="version {{version}}",
        text="name",
        steps=PLAIN,
    )


def registry() -> Panel:
    return stat(
        "Registry",
        "Whether the champion alias can be read; while not, nothing is promoted or rolled back.",
        f"min by (policy) (ctrain_registry_readable{{{OF_POLICY}}})",
        mappings=value_map({0: ("does not answer", "red"), 1: ("answers", "green")}),
    )


def outcomes() -> Panel:
    return bars(
        "Runs by outcome",
        "Runs that ended in the time shown.",
        Query(since_start("ctrain_runs_total", "outcome"), "{{outcome}}", now=True),
        width=6,
        colour="palette-classic-by-name",
    )

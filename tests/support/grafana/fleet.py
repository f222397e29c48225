"""Every policy at a glance: what waits for a person, what has happened, is the service well."""

from __future__ import annotations

from tests.support.grafana.dashboard import Dashboard, Row, data_source, job, policy
from tests.support.grafana.mappings import OF_POLICY, phase_map, phase_number, value_map, word_map
from tests.support.grafana.panels import (
    Panel,
    Query,
    bars,
    coloured,
    named,
    since_start,
    stat,
    states,
    table,
    thresholds,
)
from tests.support.grafana.service import service
from tests.support.grafana.standing import LAST_TICK, NO_RUN, REASONS, outcomes

RED, ORANGE = (("green", None), ("red", 1)), (("green", None), ("orange", 1))
SEVERITIES = {3: ("page", "red"), 2: ("ticket", "orange"), 1: ("info", "blue")}
URGENT = [
    f'{number} * ALERTS{{alertname=~"Ctrain.+", alertstate="firing", severity="{severity}"}}'
    for number, (severity, _) in SEVERITIES.items()
]
TO_POLICY = {
    "title": "Open the policy",
    "url": "/d/ctrain-policy?${datasource:queryparam}&${job:queryparam}&var-policy=${__value.raw}",
}


def fleet() -> Dashboard:
    return Dashboard(
        uid="ctrain-fleet",
        title="ctrain: fleet",
        description="Every policy at a glance: what waits for a person, what has happened, is the service "
        "well.",
        variables=[data_source(), job(), policy(several=True)],
        rows=[
            Row("What needs a person", 4, _needs()),
            Row("Every policy", 10, [_policies()]),
            Row("What has happened", 9, _history()),
            Row("How often, and why not", 6, _totals()),
            Row("Is the service well", 8, service()),
        ],
    )


def _needs() -> list[Panel]:
    return [
        stat(
            "Alerts",
            "Alerts of ctrain that fire, those that only tell left out; each names a section of the "
            "runbooks.",
            'count(ALERTS{alertname=~"Ctrain.+", alertstate="firing", severity!="info"}) or vector(0)',
            steps=RED,
            paint="background",
        ),
        stat(
            "Monitors breached",
            "Policies of which at least one monitor says BREACHED.",
            f'sum(max by (policy) (ctrain_monitor_status{{{OF_POLICY}, status="BREACHED"}})) or vector(0)',
            steps=ORANGE,
            paint="background",
        ),
        stat(
            "Wait for approval",
            "Promotions that somebody must approve or reject before they expire.",
            f'sum(max by (policy) (ctrain_run_phase{{{OF_POLICY}, phase="AWAITING_APPROVAL"}})) or vector(0)',
            steps=ORANGE,
            paint="background",
        ),
        stat(
            "Rollback failed",
            "Policies that cannot go back to their previous champion: the worse version serves.",
            f'sum(max by (policy) (ctrain_run_phase{{{OF_POLICY}, phase="ROLLBACK_FAILED"}})) or vector(0)',
            steps=RED,
            paint="background",
        ),
        stat(
            "Not looked after",
            "Policies without a successful tick for ten minutes, of those that had one within six hours.",
            f"count(time() - {LAST_TICK} > 600) or vector(0)",
            steps=RED,
            paint="background",
        ),
        stat(
            "Registry away",
            "Policies whose champion alias cannot be read: nothing of theirs is promoted or rolled back.",
            f"count(max by (policy) (ctrain_registry_readable{{{OF_POLICY}}}) == 0) or vector(0)",
            steps=RED,
            paint="background",
        ),
        stat(
            "Notices undelivered",
            "Notices that reached nobody; `ctrain notify list` shows them.",
            f'sum(ctrain_notifications_open{{{OF_POLICY}, status="dead"}}) or vector(0)',
            steps=ORANGE,
            paint="background",
        ),
        stat(
            "Paused",
            "Policies that a person has paused: no run of theirs starts.",
            f"sum(max by (policy) (ctrain_paused{{{OF_POLICY}}})) or vector(0)",
            steps=(("green", None), ("blue", 1)),
            paint="background",
        ),
    ]


def _policies() -> Panel:
    def now(expression: str) -> Query:
        return Query(expression, now=True, form="table")

    ages = {"unit": "s", "decimals": 0}
    return table(
        "Policies",
        "Where each policy stands; a click opens it. `Why` is what triggers came to when they were last "
        "looked at.",
        [
            now(f'sum by (policy) (ctrain_monitor_status{{{OF_POLICY}, status="BREACHED"}})'),
            now(phase_number()),
            now(f"max by (policy) (ctrain_run_phase_age_seconds{{{OF_POLICY}}})"),
            now(f"max by (policy, reason) (ctrain_decision_info{{{OF_POLICY}}})"),
            now(f"max by (policy, version) (ctrain_champion_info{{{OF_POLICY}}})"),
            now(f"max by (policy) (ctrain_champion_age_seconds{{{OF_POLICY}}})"),
            now(f"max by (policy) (ctrain_source_lag_seconds{{{OF_POLICY}}})"),
            now(f"time() - {LAST_TICK}"),
            now(f"min by (policy) (ctrain_budget_remaining{{{OF_POLICY}}})"),
            now(f"max by (policy) (ctrain_paused{{{OF_POLICY}}})"),
        ],
        {
            "policy": "Policy",
            "Value #A": "Breached",
            "Value #B": "Run",
            "Value #C": "In this phase",
            "reason": "Why",
            "version": "Champion",
            "Value #F": "Champion's age",
            "Value #G": "Newest row",
            "Value #H": "Last tick",
            "Value #I": "Runs left",
            "Value #J": "Paused",
        },
        hidden=["Value #D", "Value #E"],
        sort=("Breached", True),
        width=24,
        colour="thresholds",
        overrides=[
            named("Policy", links=[TO_POLICY]),
            named("Breached", thresholds=thresholds(*RED), custom__cellOptions=coloured()),
            named("Run", mappings=phase_map(), custom__cellOptions=coloured()),
            *(named(name, **ages) for name in ("Champion's age", "Newest row")),
            named("In this phase", mappings=NO_RUN, **ages),
            named("Why", mappings=word_map(REASONS)),
            named(
                "Last tick",
                thresholds=thresholds(("green", None), ("orange", 120), ("red", 600)),
                custom__cellOptions=coloured("color-text"),
                **ages,
            ),
            named(
                "Runs left",
                thresholds=thresholds(("red", None), ("green", 1)),
                custom__cellOptions=coloured("color-text"),
            ),
            named("Paused", mappings=value_map({0: ("", "text"), 1: ("paused", "blue")})),
        ],
    )


def _totals() -> list[Panel]:
    def counted(title: str, description: str, metric: str, colour: str) -> Panel:
        expression = f"sum(increase({metric}{{{OF_POLICY}}}[$__range]))"
        steps = (("text", None), (colour, 0.5))
        return stat(title, description, expression, steps=steps, defaults={"decimals": 0}, width=4)

    return [
        counted(
            "Promotions",
            "Challengers that became champion, in the time shown.",
            "ctrain_promotions_total",
            "green",
        ),
        counted(
            "Rollbacks",
            "Returns to the previous champion, in the time shown.",
            "ctrain_rollbacks_total",
            "red",
        ),
        counted(
            "Moved by others",
            "Changes of a champion alias that were not ctrain's, in the time shown.",
            "ctrain_registry_divergence_total",
            "orange",
        ),
        outcomes(),
        bars(
            "Trainings held back by",
            "How often a trigger was met and started no run, by reason, in the time shown.",
            Query(since_start("ctrain_trigger_suppressed_total", "reason"), "{{reason}}", now=True),
            width=6,
            colour="palette-classic-by-name",
        ),
    ]


def _history() -> list[Panel]:
    return [
        states(
            "Runs",
            "The phase of each policy's active run.",
            Query(phase_number(), "{{policy}}"),
            phase_map(),
            width=16,
        ),
        table(
            "Alerts that fire",
            "What Prometheus says of ctrain now: `page` needs a person now, `ticket` today, `info` only "
            "tells. Each is a section of the runbooks.",
            [Query(f"max by (alertname, policy, instance) ({' or '.join(URGENT)})", now=True, form="table")],
            {"Value": "Severity", "alertname": "Alert", "policy": "Policy", "instance": "Daemon"},
            sort=("Severity", True),
            width=8,
            overrides=[
                named("Severity", mappings=value_map(SEVERITIES), custom__cellOptions=coloured("color-text")),
                named("Policy", links=[TO_POLICY]),
            ],
        ),
    ]

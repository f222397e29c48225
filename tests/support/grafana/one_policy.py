"""One policy: is it well, what was done and why, what do its monitors see, do its data come."""

from __future__ import annotations

from tests.support.grafana.dashboard import Dashboard, Row, data_source, job, policy
from tests.support.grafana.mappings import OF_POLICY, VERDICT, VERDICTS, phase_map, phase_number, value_map
from tests.support.grafana.panels import Panel, Query, bars, lines, named, since_start, stat, states, table
from tests.support.grafana.pushed import pushed
from tests.support.grafana.standing import (
    LAST_TICK,
    PLAIN,
    champion,
    of_policy,
    outcomes,
    phase_age,
    registry,
    run_now,
)


def one_policy() -> Dashboard:
    return Dashboard(
        uid="ctrain-policy",
        title="ctrain: policy",
        description="One policy: is it well, what was done and why, what do its monitors see, do its data "
        "come.",
        variables=[data_source(), job(), policy()],
        rows=[
            Row("Now", 4, [*_now(), *_means()]),
            Row("What has happened", 8, _history()),
            Row("Why, and why not", 8, _reasons()),
            Row("What its monitors see", 8, _monitors()),
            Row("Its data", 7, _data()),
        ],
        shows="now-7d",
    )


def _now() -> list[Panel]:
    return [
        stat(
            "Monitors breached",
            "How many monitors say BREACHED.",
            f'sum by (policy) (ctrain_monitor_status{{{OF_POLICY}, status="BREACHED"}})',
            steps=(("green", None), ("red", 1)),
            paint="background",
        ),
        run_now(),
        phase_age(),
        stat(
            "Triggers",
            "What triggers came to when they were last looked at: fired, not_met, or what held one back. "
            "`ctrain why` says it in full.",
            f"max by (policy, reason) (ctrain_decision_info{{{OF_POLICY}}})",
            legend="{{reason}}",
            text="name",
            steps=PLAIN,
        ),
        stat(
            "Paused",
            "Whether a person has paused the policy: no run starts.",
            of_policy("ctrain_paused"),
            mappings=value_map({0: ("no", "green"), 1: ("paused", "blue")}),
        ),
        champion(),
        stat(
            "Champion's age",
            "Since when it has been champion.",
            of_policy("ctrain_champion_age_seconds"),
            unit="s",
            steps=PLAIN,
        ),
        stat(
            "Last tick",
            "Since when no tick succeeded; ten minutes are too many.",
            f"time() - {LAST_TICK}",
            unit="s",
            steps=(("green", None), ("orange", 120), ("red", 600)),
        ),
    ]


def _means() -> list[Panel]:
    return [
        stat(
            "Runs left",
            "How many runs the budget still allows.",
            f"min by (policy) (ctrain_budget_remaining{{{OF_POLICY}}})",
            steps=(("red", None), ("orange", 1), ("green", 2)),
        ),
        stat(
            "Training time left",
            "How much training time the budget still allows.",
            f"min by (policy) (ctrain_budget_remaining_seconds{{{OF_POLICY}}})",
            unit="s",
            steps=(("red", None), ("green", 1)),
        ),
        registry(),
        stat(
            "Newest row",
            "Present time minus the newest event time that was read.",
            of_policy("ctrain_source_lag_seconds"),
            unit="s",
            steps=PLAIN,
        ),
        stat(
            "Labels",
            "Labels that have arrived, per row.",
            of_policy("ctrain_label_coverage_ratio"),
            unit="percentunit",
            steps=PLAIN,
        ),
        stat(
            "Promoted in a year",
            "Share of the models trained within a year that were promoted; without a training there is no "
            "number.",
            f"{of_policy('ctrain_promoted_share')} >= 0",
            unit="percentunit",
            steps=PLAIN,
        ),
        stat(
            "Alpha in a year",
            "Sum of the alphas of all comparisons that began within a year: how often a worse model may "
            "have been "
            "promoted.",
            of_policy("ctrain_alpha_spent_per_year"),
            steps=PLAIN,
        ),
        stat(
            "Notices open",
            "Notices that wait, or that nobody tries any more.",
            f"sum by (policy) (ctrain_notifications_open{{{OF_POLICY}}}) or 0 * {of_policy('ctrain_leader')}",
            steps=(("green", None), ("orange", 1)),
        ),
    ]


def _history() -> list[Panel]:
    return [
        states(
            "Runs",
            "The phase of the active run.",
            Query(phase_number(), "run"),
            phase_map(),
        ),
        states(
            "Verdicts",
            "What each monitor said.",
            Query(
                VERDICT,
                "{{monitor}}",
            ),
            value_map(VERDICTS),
        ),
    ]


def _reasons() -> list[Panel]:
    moves = {
        "promotions": "ctrain_promotions_total",
        "rollbacks": "ctrain_rollbacks_total",
        "moved by others": "ctrain_registry_divergence_total",
    }
    return [
        bars(
            "Triggers that fired",
            "Runs that each trigger started, in the time shown.",
            Query(since_start("ctrain_trigger_fired_total", "trigger"), "{{trigger}}", now=True),
            width=6,
            colour="palette-classic-by-name",
        ),
        bars(
            "Held back by",
            "How often a trigger was met and started no run, in the time shown.",
            Query(
                since_start("ctrain_trigger_suppressed_total", "trigger, reason"),
                "{{trigger}}: {{reason}}",
                now=True,
            ),
            width=6,
            colour="palette-classic-by-name",
        ),
        outcomes(),
        lines(
            "Moves of the champion alias",
            "How often it moved since the daemon started.",
            [Query(f"sum({metric}{{{OF_POLICY}}})", name) for name, metric in moves.items()],
            width=6,
            between="stepAfter",
            defaults={"min": 0, "decimals": 0},
        ),
    ]


def _monitors() -> list[Panel]:
    def now(expression: str) -> Query:
        return Query(expression, now=True, form="table")

    status = {
        "mappings": value_map(VERDICTS),
        "custom__cellOptions": {"type": "color-background", "mode": "basic"},
    }
    return [
        table(
            "Monitors",
            "The last verdict of each monitor, on its own scale.",
            [
                now(VERDICT),
                now(f"max by (monitor) (ctrain_monitor_value{{{OF_POLICY}}})"),
                now(f"max by (monitor) (ctrain_monitor_threshold{{{OF_POLICY}}})"),
            ],
            {"monitor": "Monitor", "Value #A": "Verdict", "Value #B": "Value", "Value #C": "Threshold"},
            sort=("Verdict", True),
            width=8,
            colour="thresholds",
            defaults={"decimals": 4},
            overrides=[named("Verdict", **status)],
        ),
        lines(
            "Value against threshold",
            "What each monitor measured, as a multiple of its threshold: at 1 it breaches. One that "
            "breaches below "
            "its threshold stands the other way round.",
            [
                Query(
                    f"max by (monitor) (ctrain_monitor_value{{{OF_POLICY}}} "
                    f"/ (ctrain_monitor_threshold{{{OF_POLICY}}} != 0))",
                    "{{monitor}}",
                )
            ],
            width=8,
            steps=(("green", None), ("red", 1)),
            shade="dashed",
        ),
        states(
            "Features that drift most",
            "Effect size of the five features that drifted most; the darker, the more.",
            Query(f"max by (feature) (ctrain_feature_drift{{{OF_POLICY}}})", "{{feature}}"),
            [],
            kind="status-history",
            width=8,
            colour="continuous-BlYlRd",
            defaults={"min": 0, "max": 0.5, "decimals": 3},
        ),
    ]


def _data() -> list[Panel]:
    def rate(metric: str) -> str:
        return f"sum(rate({metric}{{{OF_POLICY}}}[$__rate_interval]))"

    return [
        lines(
            "Rows",
            "Rows that were read, and those of them that came after their pane was closed.",
            [
                Query(rate("ctrain_rows_ingested_total"), "read"),
                Query(rate("ctrain_rows_late_total"), "late"),
            ],
            width=6,
            unit="rowsps",
            defaults={"min": 0},
        ),
        lines(
            "Set aside",
            "Rows and files that were set aside, by reason.",
            [
                Query(
                    f"sum by (reason) (rate(ctrain_rows_rejected_total{{{OF_POLICY}}}[$__rate_interval]))",
                    "{{reason}}",
                )
            ],
            width=6,
            unit="rowsps",
            defaults={"min": 0},
        ),
        lines(
            "Lag of the newest row",
            "Present time minus the newest event time that was read.",
            [Query(of_policy("ctrain_source_lag_seconds"), "lag")],
            width=6,
            unit="s",
            defaults={"min": 0},
        ),
        lines(
            "Label coverage",
            "Labels that have arrived, per row.",
            [Query(of_policy("ctrain_label_coverage_ratio"), "labels per row")],
            width=6,
            unit="percentunit",
            defaults={"min": 0, "max": 1},
        ),
        *pushed(),
    ]

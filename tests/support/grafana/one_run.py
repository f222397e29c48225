"""The active run of a policy: where it stands, and how the comparison closes in on its margin."""

from __future__ import annotations

from tests.support.grafana.dashboard import Dashboard, Row, data_source, job, policy, values_of
from tests.support.grafana.mappings import OF_JOB, OF_POLICY, phase_map, phase_number, value_map
from tests.support.grafana.panels import Panel, Query, bars, heat, lines, named, stat, states
from tests.support.grafana.standing import PLAIN, champion, of_policy, outcomes, phase_age, registry, run_now

COMPARED = (
    f'and on (policy) max by (policy) (ctrain_run_phase{{{OF_POLICY}, phase=~"SHADOWING|PROBATION"}} == 1)'
)
"""The gauges of a comparison keep their last values: they mean something while one goes on."""
OF_PHASE = 'job="$job", phase=~"$phase"'


def one_run() -> Dashboard:
    return Dashboard(
        uid="ctrain-run",
        title="ctrain: run",
        description="The active run of a policy: where it stands, and how the comparison closes in on its "
        "margin.",
        variables=[data_source(), job(), policy(), _phase()],
        rows=[
            Row("Now", 4, _now()),
            Row("Challenger against champion", 10, _comparison()),
            Row("Phases", 8, _phases()),
            Row("What it costs, and what it waits for", 7, _costs()),
        ],
        shows="now-7d",
    )


def _phase() -> dict[str, object]:
    selector = 'ctrain_run_phase_duration_seconds_count{job="$job"}'
    return values_of("phase", "Phases that ended", selector, several=True)


def _now() -> list[Panel]:
    return [
        run_now(),
        phase_age(),
        stat(
            "Approval",
            "Whether a promotion waits for a person: `ctrain show` has the evidence.",
            f'max by (policy) (ctrain_run_phase{{{OF_POLICY}, phase="AWAITING_APPROVAL"}})',
            mappings=value_map({0: ("nobody is asked", "green"), 1: ("wanted", "orange")}),
            paint="background",
        ),
        stat(
            "Room to the margin",
            "Margin minus the upper bound of the difference, when the last comparison was looked at: above "
            "zero the "
            "bounds allow the promotion.",
            f"{of_policy('ctrain_shadow_margin')} - {of_policy('ctrain_shadow_upper')} > -Inf",
            steps=(("orange", None), ("green", 0)),
            defaults={"decimals": 4},
        ),
        stat(
            "Mean difference",
            "Mean loss of the challenger minus the champion's when the last comparison was looked at; below "
            "zero the "
            "challenger is better.",
            of_policy("ctrain_shadow_difference"),
            steps=(("green", None), ("orange", 0)),
            defaults={"decimals": 4},
        ),
        stat(
            "Rows compared",
            "Rows on which two models were compared, in the time shown.",
            f"sum(increase(ctrain_shadow_rows_total{{{OF_POLICY}}}[$__range]))",
            steps=PLAIN,
            defaults={"decimals": 0},
        ),
        champion(),
        registry(),
    ]


def _comparison() -> list[Panel]:
    band = {
        "custom__fillBelowTo": "lower",
        "custom__lineWidth": 1,
        "color": {"fixedColor": "blue", "mode": "fixed"},
    }
    lower = {"color": {"fixedColor": "blue", "mode": "fixed"}}
    margin = {
        "color": {"fixedColor": "red", "mode": "fixed"},
        "custom__lineStyle": {"dash": [8, 6], "fill": "dash"},
    }
    mean = {"color": {"fixedColor": "text", "mode": "fixed"}, "custom__lineWidth": 2}
    return [
        lines(
            "Difference of loss",
            "The challenger's loss minus the champion's, over blocks, between bounds that are valid at any "
            "time. The "
            "challenger is promoted once the upper bound is below the margin, rejected once the lower one "
            "is above. "
            "In probation it is the new champion against the one before. Bounds that are still infinite are "
            "not "
            "drawn.",
            [
                Query(f"{of_policy('ctrain_shadow_difference')} {COMPARED}", "mean"),
                Query(f"{of_policy('ctrain_shadow_upper')} < +Inf {COMPARED}", "upper"),
                Query(f"{of_policy('ctrain_shadow_lower')} > -Inf {COMPARED}", "lower"),
                Query(f"{of_policy('ctrain_shadow_margin')} {COMPARED}", "margin"),
            ],
            width=16,
            defaults={"decimals": 4},
            overrides=[
                named("upper", **band),
                named("lower", **lower),
                named("mean", **mean),
                named("margin", **margin),
            ],
        ),
        lines(
            "Rows compared a second",
            "Rows on which both models were compared. While none come, labels are missing or have not "
            "matured.",
            [Query(f"sum(rate(ctrain_shadow_rows_total{{{OF_POLICY}}}[$__rate_interval]))", "rows")],
            width=8,
            unit="rowsps",
            defaults={"min": 0},
        ),
    ]


def _phases() -> list[Panel]:
    return [
        states(
            "Runs", "The phase of the active run.", Query(phase_number(), "{{policy}}"), phase_map(), width=12
        ),
        bars(
            "Mean time in a phase",
            "Of all policies of the job, since the daemons started.",
            Query(
                f"sum by (phase) (ctrain_run_phase_duration_seconds_sum{{{OF_PHASE}}}) "
                f"/ sum by (phase) (ctrain_run_phase_duration_seconds_count{{{OF_PHASE}}})",
                "{{phase}}",
                now=True,
            ),
            width=6,
            unit="s",
            colour="palette-classic-by-name",
        ),
        heat(
            "Time in a phase",
            "How long phases took that ended, of all policies of the job: from a minute to weeks.",
            Query(
                f"sum by (le) "
                f"(increase(ctrain_run_phase_duration_seconds_bucket{{{OF_PHASE}}}[$__rate_interval]))",
                "{{le}}",
                form="heatmap",
            ),
            width=6,
        ),
    ]


def _costs() -> list[Panel]:
    return [
        outcomes(),
        lines(
            "Budget: runs left",
            "How many runs the budget still allows.",
            [Query(f"min by (policy) (ctrain_budget_remaining{{{OF_POLICY}}})", "runs")],
            width=6,
            between="stepAfter",
            defaults={"min": 0, "decimals": 0},
        ),
        lines(
            "Budget: training time left",
            "How much training time the budget still allows.",
            [Query(f"min by (policy) (ctrain_budget_remaining_seconds{{{OF_POLICY}}})", "time")],
            width=6,
            unit="s",
            between="stepAfter",
            defaults={"min": 0},
        ),
        lines(
            "MLflow: how long requests take",
            "99 of a hundred requests to the registry take less.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le) (rate("
                    f"ctrain_mlflow_request_duration_seconds_bucket{{{OF_JOB}}}[$__rate_interval])))",
                    "p99",
                )
            ],
            width=6,
            unit="s",
        ),
    ]

"""Is the service well: the panels about daemons, their ticks and what they ask of others."""

from __future__ import annotations

from tests.support.grafana.mappings import OF_JOB, OF_POLICY, value_map
from tests.support.grafana.panels import Panel, Query, coloured, heat, lines, named, table

QUANTILES = (0.5, 0.99)


def service() -> list[Panel]:
    """Is the service well: its daemons, their ticks, and what they ask of others."""
    return [
        _daemons(),
        lines(
            "Ticks: how long they take",
            "Half of the ticks take less than the lower line, 99 of a hundred less than the upper one.",
            _quantiles("ctrain_tick_duration_seconds"),
            width=6,
            unit="s",
        ),
        lines(
            "Ticks: how late they begin",
            "From when a tick was due until it began. Above ten seconds a daemon has more policies than it "
            "can look after. `waits`: how long rows may lie there unread, because it is busy.",
            [
                *_quantiles("ctrain_tick_lateness_seconds"),
                Query(f"max(ctrain_arrivals_wait_seconds{{{OF_JOB}}})", "waits"),
            ],
            width=6,
            unit="s",
            steps=(("green", None), ("red", 10)),
            shade="dashed",
        ),
        lines(
            "Ticks that failed or were left out",
            "`transient`: something outside did not answer; `unexpected`: look into the log; `skipped`: the "
            "daemon "
            "is late.",
            [
                Query(
                    f"sum by (kind) (rate(ctrain_tick_failures_total{{{OF_POLICY}}}[$__rate_interval]))",
                    "{{kind}}",
                ),
                Query(f"sum(rate(ctrain_ticks_skipped_total{{{OF_JOB}}}[$__rate_interval]))", "skipped"),
            ],
            width=6,
            unit="ops",
        ),
        lines(
            "MLflow: how long requests take",
            "Half of the requests to the registry take less than the lower line, 99 of a hundred less than "
            "the "
            "upper one.",
            _quantiles("ctrain_mlflow_request_duration_seconds"),
            width=6,
            unit="s",
        ),
        heat(
            "Ticks by duration",
            "How many ticks took how long.",
            Query(
                f"sum by (le) (increase(ctrain_tick_duration_seconds_bucket{{{OF_JOB}}}[$__rate_interval]))",
                "{{le}}",
                form="heatmap",
            ),
            width=6,
        ),
        lines(
            "Notices",
            "What became of attempts to tell people.",
            [
                Query(
                    f"sum by (outcome) (rate(ctrain_notifications_total{{{OF_POLICY}}}[$__rate_interval]))",
                    "{{outcome}}",
                ),
            ],
            width=6,
            unit="ops",
        ),
    ]


def _daemons() -> Panel:
    def now(expression: str) -> Query:
        return Query(expression, now=True, form="table")

    return table(
        "Daemons",
        "Every daemon that Prometheus knows: whether it answers, its version, and whether its policies are "
        "those on "
        "disk. `Series left out` counts what policies with very many monitors do not show.",
        [
            now(f"max by (instance) (up{{{OF_JOB}}})"),
            now(f"max by (instance, version) (ctrain_build_info{{{OF_JOB}}})"),
            now(f"min by (instance) (ctrain_config_last_reload_successful{{{OF_JOB}}})"),
            now(f"max by (instance) (ctrain_daemons{{{OF_JOB}}})"),
            now(f"sum by (instance) (ctrain_policies_held{{{OF_JOB}}})"),
            now(f"sum by (instance) (ctrain_folders_watched{{{OF_JOB}}})"),
            now(f"sum by (instance) (ctrain_series_dropped{{{OF_JOB}}})"),
            now(f"sum by (instance) (increase(ctrain_worker_restarts_total{{{OF_JOB}}}[1d]))"),
            now(f"sum by (instance) (increase(ctrain_console_restarts_total{{{OF_JOB}}}[1d]))"),
        ],
        {
            "instance": "Daemon",
            "Value #A": "Answers",
            "version": "Version",
            "Value #C": "Policy files",
            "Value #D": "Daemons it sees",
            "Value #E": "Policies held",
            "Value #F": "Folders watched",
            "Value #G": "Series left out",
            "Value #H": "Workers replaced today",
            "Value #I": "Consoles replaced today",
        },
        hidden=["Value #B"],
        sort=("Daemon", False),
        width=12,
        overrides=[
            named(
                "Answers",
                mappings=value_map({0: ("no", "red"), 1: ("yes", "green")}),
                custom__cellOptions=coloured("color-text"),
            ),
            named(
                "Policy files",
                mappings=value_map({0: ("a file is refused", "red"), 1: ("as on disk", "green")}),
                custom__cellOptions=coloured("color-text"),
            ),
        ],
    )


def _quantiles(metric: str) -> list[Query]:
    return [
        Query(
            f"histogram_quantile({q:g}, sum by (le) (rate({metric}_bucket{{{OF_JOB}}}[$__rate_interval])))",
            f"p{100 * q:g}",
        )
        for q in QUANTILES
    ]

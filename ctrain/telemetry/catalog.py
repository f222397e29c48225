"""Every metric of ctrain in one table: name, kind, meaning, labels, buckets.

Names carry base units; counters end in ``_total``; a state has one series per value, 0 or 1. No label
holds a run id or anything else without bound. Histograms are of the whole daemon, because their
buckets would eat most of the series that a policy may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "ctrain_"

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LATENESS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
MINUTES_TO_DAYS = (
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 8 * _HOUR),
    *(_DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY),
)


FAULTS = ("transient", "unexpected")
CAUSES = ("probation", "person")


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the catalog; ``name`` is without the prefix.

    ``newest`` bounds the last label to that many values per policy (the greatest of those set
    lately); with ``newest=1`` a new value replaces the old one's series.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    newest: int | None = None
    starts: tuple[str, ...] = ()
    """Values of the last label that a policy's counter has from the start, at zero."""
    yields: int = 0
    """Where a policy has too many series, those that yield more are left out first."""


def _counter(name: str, text: str, *labels: str, starts: tuple[str, ...] = ()) -> Metric:
    return Metric(
        name, Kind.COUNTER, text, ("policy", *labels), starts=starts, yields=int(bool(labels and not starts))
    )


def _gauge(name: str, text: str, *labels: str, newest: int | None = None, yields: int = 0) -> Metric:
    return Metric(name, Kind.GAUGE, text, ("policy", *labels), newest=newest, yields=yields)


_TABLE = (
    Metric("build_info", Kind.GAUGE, "1, labelled with the version of ctrain.", ("version",)),
    Metric("daemons", Kind.GAUGE, "Daemons that live, of those that share the database.", ()),
    Metric("policies_held", Kind.GAUGE, "Policies that this daemon watches.", ()),
    _gauge("leader", "1 while this daemon holds the policy's lease."),
    Metric("config_last_reload_successful", Kind.GAUGE, "1 when the policies on disk are in force.", ()),
    Metric("tick_duration_seconds", Kind.HISTOGRAM, "Time of a policy's tick.", (), SECONDS),
    Metric(
        *("tick_lateness_seconds", Kind.HISTOGRAM, "From when a tick was due until it began.", (), LATENESS)
    ),
    Metric("ticks_skipped_total", Kind.COUNTER, "Tick intervals in which no tick began, being late.", ()),
    Metric(
        "arrivals_wait_seconds",
        Kind.GAUGE,
        "How long what has come may wait for more before it is read; 0 unless the daemon is busy.",
        (),
    ),
    Metric(
        "console_restarts_total",
        Kind.COUNTER,
        "Servers of API and console that ended or hung by themselves.",
        (),
    ),
    Metric(
        "worker_restarts_total", Kind.COUNTER, "Workers (--workers) that ended or hung by themselves.", ()
    ),
    Metric("folders_watched", Kind.GAUGE, "Folders whose changes wake ticks; 0: polling alone.", ()),
    _gauge(
        "tick_last_success_timestamp_seconds",
        "Unix time of the last tick without a fault; before there is one, of the beginning.",
    ),
    _counter("tick_failures_total", "Ticks that a fault ended, by kind of fault.", "kind", starts=FAULTS),
    _counter("rows_ingested_total", "Rows that reached the row log."),
    _counter("rows_late_total", "Rows that came after their pane was closed."),
    _counter(
        *("rows_rejected_total", "Rows and files that were set aside.", "reason"), starts=("duplicate_id",)
    ),
    _gauge("pushed_unread_bytes", "Bytes of pushed batches that wait to be read.", "kind", yields=1),
    _gauge("pushed_unread_batches", "Pushed batches that wait to be read.", "kind", yields=1),
    _gauge(
        "pushed_unread_ratio", "Share of max_unread that waits; at 1 senders are told to come later.", "kind"
    ),
    _gauge(
        "source_lag_seconds",
        "Present time minus the newest event time that was read; before the first row, time under watch.",
    ),
    _gauge("label_coverage_ratio", "Labels that have arrived, per row."),
    _gauge("monitor_value", "What a monitor measured last, on its own scale.", "monitor", yields=2),
    _gauge("monitor_threshold", "Where the monitor breaches.", "monitor", yields=2),
    _gauge(
        *("monitor_status", "1 for the monitor's last verdict, 0 for the others.", "monitor", "status"),
        yields=1,
    ),
    _gauge("feature_drift", "Effect size of the features that drifted most.", "feature", newest=5, yields=3),
    _counter("trigger_fired_total", "Runs that a trigger started.", "trigger"),
    _counter(
        "trigger_suppressed_total", "Looks at a trigger that was met and started no run.", "trigger", "reason"
    ),
    _gauge(
        "decision_info",
        "1, labelled with what triggers came to last: fired, not_met, or what held one back.",
        "reason",
        newest=1,
    ),
    _gauge("paused", "1 while a person has paused the policy: no run starts."),
    _counter("runs_total", "Runs that ended, by outcome.", "outcome"),
    _gauge("run_phase", "1 for the phase of the active run, 0 for the others.", "phase"),
    _gauge("run_phase_age_seconds", "Time since the active run came to its phase; 0 without a run."),
    Metric("run_phase_duration_seconds", Kind.HISTOGRAM, "Time in a phase.", ("phase",), MINUTES_TO_DAYS),
    _gauge("budget_remaining", "Runs that the budget still allows in its window."),
    _gauge("budget_remaining_seconds", "Training time that the budget still allows in its window."),
    _gauge(
        "alpha_spent_per_year",
        "Sum of the alphas of a year's shadows; it bounds promotions by evidence alone.",
    ),
    _gauge("promoted_share", "Share of the models trained within a year that were promoted; NaN: none was."),
    _counter("shadow_rows_total", "Rows that were compared between two models."),
    _gauge(
        "shadow_difference",
        "Mean loss of the challenger minus the champion's, over blocks, in the unit of shadow.margin.",
    ),
    _gauge("shadow_lower", "Lower confidence bound of the difference, valid at any time."),
    _gauge("shadow_upper", "Upper confidence bound of the difference, valid at any time."),
    _gauge("shadow_margin", "The difference decides here: above it is worse than the policy allows."),
    _gauge("champion_info", "1, labelled with the version that production serves.", "version", newest=1),
    _gauge("champion_age_seconds", "Time since the champion became champion."),
    _counter("promotions_total", "Challengers that became champion."),
    _counter("rollbacks_total", "Returns to the previous champion, by cause.", "cause", starts=CAUSES),
    _gauge("registry_readable", "1 while the champion alias can be read; on 0 nothing is promoted."),
    _counter("registry_divergence_total", "Alias changes that were not ctrain's."),
    _counter("notifications_total", "Notices of events, by what became of an attempt to tell.", "outcome"),
    _gauge("notifications_open", "Notices that wait, or that nobody tries any more (dead).", "status"),
    Metric("mlflow_request_duration_seconds", Kind.HISTOGRAM, "Time of a registry request.", (), SECONDS),
    _gauge("series_dropped", "Series that were left out because the policy has too many."),
)

CATALOG = {metric.name: metric for metric in _TABLE}
"""Every metric by its name without the prefix."""

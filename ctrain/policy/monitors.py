"""The ``monitors`` part of a policy: one frozen model per ``type``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from ctrain.policy.fields import Duration, Frozen, PositiveDuration, Share, Text, variant_by_type


class DriftMonitor(Frozen):
    """Inputs or scores against the reference; numeric by ``test``, categorical by chi-squared."""

    type: Literal["drift"]
    """Kind of monitor."""
    test: Literal["ks", "psi", "jensen_shannon", "wasserstein", "hellinger"] = "ks"
    """Two-sample test of numeric columns."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Features or the prediction; default: all features."""
    window: PositiveDuration
    """Length of the current window; it grows back in time until it has ``min_rows``."""
    fdr: Share = 0.01
    """False discovery rate over the columns of the monitor."""
    min_effect: Annotated[float, Field(ge=0)] = 0.1
    """Smallest effect, on the test's own scale, that counts as drift."""
    min_rows: Annotated[int, Field(ge=1)] = 500
    """Rows that a verdict needs."""


class ChangeMonitor(Frozen):
    """A change detector on out-of-sample losses of the champion."""

    type: Literal["change"]
    """Kind of monitor."""
    detector: Literal["page_hinkley", "e_detector", "adwin", "ddm", "kswin"] = "page_hinkley"
    """The change detector."""
    on: Literal["loss", "prediction"] = "loss"
    """What the detector watches."""
    direction: Literal["up", "down", "both"] = "up"
    """Which changes count; a loss that goes up is a model that gets worse."""
    run_length: Annotated[int, Field(ge=1000)] = 1_000_000
    """Mean number of rows between two false alarms that the threshold is calibrated to."""
    threshold: Annotated[float, Field(gt=0)] | None = None
    """The detector's own threshold, instead of a calibrated one."""
    hold: Duration
    """How long the verdict stays BREACHED after an alarm, unless the champion changes."""
    min_rows: Annotated[int, Field(ge=30)] = 500
    """Out-of-sample rows that the baseline needs."""


class QualityMonitor(Frozen):
    """Rates of missing values and of categories that the reference does not know."""

    type: Literal["quality"]
    """Kind of monitor."""
    window: PositiveDuration
    """Length of the current window."""
    max_null_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of missing values of a feature."""
    unseen_categories: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of rows with a category that the reference does not have."""


class PerformanceMonitor(Frozen):
    """A metric on matured labels of rows that the champion served."""

    type: Literal["performance"]
    """Kind of monitor."""
    metric: Text
    """The metric."""
    window: PositiveDuration
    """Length of the window of matured rows; it begins at the champion's promotion at the earliest."""
    above: float | None = None
    """BREACHED when the metric is above this value."""
    below: float | None = None
    """BREACHED when the metric is below this value."""
    min_rows: Annotated[int, Field(ge=1)] = 1000
    """Matured, labelled rows that a verdict needs."""


class PrometheusMonitor(Frozen):
    """The value of a query to a Prometheus server."""

    type: Literal["prometheus"]
    """Kind of monitor."""
    url: Text
    """Address of the server."""
    query: Text
    """Query with one value as its answer."""
    above: float | None = None
    """BREACHED when the value is above this one."""
    below: float | None = None
    """BREACHED when the value is below this one."""


class FreshnessMonitor(Frozen):
    """How long ago the newest row happened."""

    type: Literal["freshness"]
    """Kind of monitor."""
    max_age: PositiveDuration
    """BREACHED when the newest row is older."""


class VolumeMonitor(Frozen):
    """Rows per window, against absolute bounds."""

    type: Literal["volume"]
    """Kind of monitor."""
    window: PositiveDuration
    """Length of the window."""
    min_rows: Annotated[int, Field(ge=0)] | None = None
    """BREACHED when there are fewer rows."""
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """BREACHED when there are more rows."""


Monitor = Annotated[
    Annotated[DriftMonitor, Tag("<DriftMonitor>")]
    | Annotated[ChangeMonitor, Tag("<ChangeMonitor>")]
    | Annotated[QualityMonitor, Tag("<QualityMonitor>")]
    | Annotated[PerformanceMonitor, Tag("<PerformanceMonitor>")]
    | Annotated[PrometheusMonitor, Tag("<PrometheusMonitor>")]
    | Annotated[FreshnessMonitor, Tag("<FreshnessMonitor>")]
    | Annotated[VolumeMonitor, Tag("<VolumeMonitor>")],
    variant_by_type(
        {
            "drift": "<DriftMonitor>",
            "change": "<ChangeMonitor>",
            "quality": "<QualityMonitor>",
            "performance": "<PerformanceMonitor>",
            "prometheus": "<PrometheusMonitor>",
            "freshness": "<FreshnessMonitor>",
            "volume": "<VolumeMonitor>",
        }
    ),
]

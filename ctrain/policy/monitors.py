"""The ``monitors`` part of a policy: one frozen model per ``type``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, Tag

from ctrain.policy.fields import (
    Duration,
    Frozen,
    PositiveDuration,
    Share,
    Text,
    variant_by_key,
    variant_by_type,
)


class BySegment(Frozen):
    """What monitors share that can look at each value of a categorical column by itself."""

    by: Text | None = None
    """Categorical feature: one check for each of its values, corrected for how many there are."""
    max_segments: Annotated[int, Field(ge=1, le=1000)] = 20
    """Most frequent values of ``by`` in the reference that are looked at one by one; the others together."""


class DriftMonitor(BySegment):
    """Inputs or scores against the reference; numeric by ``test``, categorical by chi-squared."""

    type: Literal["drift"]
    """Kind of monitor."""
    test: Literal["ks", "kuiper", "cramer_von_mises", "wasserstein", "psi", "jensen_shannon", "hellinger"] = (
        "ks"
    )
    """Two-sample test of numeric columns; psi, jensen_shannon and hellinger judge categories, too."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Features or the prediction; default: all features."""
    window: PositiveDuration
    """Length of the current window; it grows back in time until it has ``min_rows``."""
    every: PositiveDuration | None = None
    """How often it looks, a multiple of the pane; default: at the end of every pane."""
    fdr: Share = 0.01
    """False discovery rate over the columns (and segments) of the monitor."""
    min_effect: Annotated[float, Field(ge=0)] = 0.1
    """Smallest effect, on the test's own scale, that counts; above 1 only for psi and wasserstein."""
    min_rows: Annotated[int, Field(ge=1)] = 500
    """Rows that a verdict needs."""
    weight_by: Literal["importance"] | None = None
    """``importance``: drift of features that the champion does not use is told, and breaches nothing."""
    min_importance: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of all permutation importance below which a feature counts as not used."""


class DomainClassifierMonitor(BySegment):
    """Can a classifier tell rows of the window from rows of the reference? Finds joint shifts."""

    type: Literal["domain_classifier"]
    """Kind of monitor."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Features; default: all features."""
    window: PositiveDuration
    """Length of the current window."""
    every: PositiveDuration | None = None
    """How often it is asked, a multiple of the pane; default: once a window."""
    sample: Annotated[int, Field(ge=200, le=100_000)] = 5000
    """Most rows of either side (of each segment) that are shown to a classifier."""
    alpha: Share = 0.01
    """Probability of BREACHED at most, at each look without a change; by segment the false discovery rate."""
    min_auc: Annotated[float, Field(ge=0.5, le=1)] = 0.6
    """Smallest held-out area under the ROC curve that counts as drift."""
    min_rows: Annotated[int, Field(ge=100)] = 500
    """Rows of either side that a verdict needs."""


class OnFeature(Frozen):
    """The values of one feature."""

    feature: Text
    """Numeric feature."""


class OnMetric(Frozen):
    """A metric of each pane's matured rows; one value a pane."""

    metric: Text
    """The metric."""


Watched = Annotated[
    Annotated[Literal["loss", "prediction"], Tag("loss or prediction")]
    | Annotated[OnFeature, Tag("<OnFeature>")]
    | Annotated[OnMetric, Tag("<OnMetric>")],
    variant_by_key({"feature": "<OnFeature>", "metric": "<OnMetric>"}, text="loss or prediction"),
]


class ChangeMonitor(BySegment):
    """A change detector on a stream of values, one row after the other."""

    type: Literal["change"]
    """Kind of monitor."""
    detector: Literal["e_detector", "page_hinkley", "cusum", "adwin", "ddm", "kswin"] = "e_detector"
    """The change detector."""
    on: Watched = "loss"
    """What the detector watches: loss, prediction, {feature: NAME} or {metric: NAME}."""
    direction: Literal["up", "down", "both"] = "up"
    """Which changes count; a loss that goes up is a model that gets worse."""
    run_length: Annotated[int, Field(ge=100)] = 1_000_000
    """Mean number of rows (of panes on a metric) between two false alarms that the threshold aims at."""
    threshold: Annotated[float, Field(gt=0)] | None = None
    """The detector's own threshold, instead of one made for ``run_length``."""
    hold: Duration
    """How long the verdict stays BREACHED after an alarm, unless the champion changes."""
    min_rows: Annotated[int, Field(ge=30)] = 500
    """Out-of-sample rows (panes on a metric) that the baseline needs."""


class Between(Frozen):
    """Smallest and largest value that is allowed."""

    min: float | None = None
    """No value is below."""
    max: float | None = None
    """No value is above."""


class QualityMonitor(BySegment):
    """What is wrong with rows whatever their distribution: missing, mistyped, out of range, repeated."""

    type: Literal["quality"]
    """Kind of monitor."""
    window: PositiveDuration
    """Length of the current window."""
    every: PositiveDuration | None = None
    """How often it looks, a multiple of the pane; default: at the end of every pane."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Features that are looked at; default: all."""
    max_null_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of missing values of a feature."""
    unseen_categories: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of rows with a category that the reference does not have."""
    max_type_errors: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of values that are not of the feature's type, such as text among numbers."""
    max_out_of_range: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of values outside ``ranges``, or outside the reference's range where none is given."""
    ranges: dict[Text, Between] = Field(default_factory=dict)
    """Allowed values of numeric features."""
    max_duplicates: Annotated[float, Field(ge=0, le=1)] | None = None
    """Highest rate of rows whose id had been seen before."""
    constant: Literal["breach", "ignore"] = "ignore"
    """``breach``: a feature that varied in the reference and has one value in the window."""
    schema_: Annotated[Literal["breach", "ignore"], Field(alias="schema")] = "ignore"
    """``breach``: files lack a feature's column, or bring (this is of no segment) one never seen before."""
    min_rows: Annotated[int, Field(ge=1)] = 100
    """Rows that a verdict needs."""


class PerformanceMonitor(BySegment):
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


class EstimatedPerformanceMonitor(BySegment):
    """A metric estimated without labels, from calibrated scores of rows (CBPE)."""

    type: Literal["estimated_performance"]
    """Kind of monitor."""
    metric: Text
    """The metric; of a task with classes."""
    window: PositiveDuration
    """Length of the window; it begins at the champion's promotion at the earliest."""
    above: float | None = None
    """BREACHED when the estimate is above this value by more than its error."""
    below: float | None = None
    """BREACHED when the estimate is below this value by more than its error."""
    min_rows: Annotated[int, Field(ge=1)] = 1000
    """Scored rows that a verdict needs; as many labelled ones calibrate the scores."""


class PrometheusMonitor(Frozen):
    """The value of a query to a Prometheus server."""

    type: Literal["prometheus"]
    """Kind of monitor."""
    url: Text
    """Address of the server."""
    query: Text
    """PromQL expression with one value as its answer, or with one for each value of ``by``."""
    by: Text | None = None
    """Label of the answer's series: one check for each of its values, with a ``for`` of its own."""
    max_segments: Annotated[int, Field(ge=1, le=1000)] = 20
    """Most series that are looked at; an answer with more is INCONCLUSIVE."""
    above: float | None = None
    """BREACHED when the value is above this one."""
    below: float | None = None
    """BREACHED when the value is below this one."""
    for_: Annotated[Duration, Field(alias="for")] = timedelta(0)
    """How long the bound must have been passed without a break before it is BREACHED."""
    every: PositiveDuration = timedelta(minutes=1)
    """How often the server is asked."""
    max_age: PositiveDuration = timedelta(minutes=5)
    """INCONCLUSIVE when the newest sample is older: silence is not health."""
    token: Text | None = None
    """Bearer token; write ${NAME} and set it in the environment."""


class FreshnessMonitor(BySegment):
    """How long ago the newest row happened."""

    type: Literal["freshness"]
    """Kind of monitor."""
    max_age: PositiveDuration
    """BREACHED when the newest row is older."""


class VolumeMonitor(BySegment):
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
    | Annotated[DomainClassifierMonitor, Tag("<DomainClassifierMonitor>")]
    | Annotated[ChangeMonitor, Tag("<ChangeMonitor>")]
    | Annotated[QualityMonitor, Tag("<QualityMonitor>")]
    | Annotated[PerformanceMonitor, Tag("<PerformanceMonitor>")]
    | Annotated[EstimatedPerformanceMonitor, Tag("<EstimatedPerformanceMonitor>")]
    | Annotated[PrometheusMonitor, Tag("<PrometheusMonitor>")]
    | Annotated[FreshnessMonitor, Tag("<FreshnessMonitor>")]
    | Annotated[VolumeMonitor, Tag("<VolumeMonitor>")],
    variant_by_type(
        {
            "drift": "<DriftMonitor>",
            "domain_classifier": "<DomainClassifierMonitor>",
            "change": "<ChangeMonitor>",
            "quality": "<QualityMonitor>",
            "performance": "<PerformanceMonitor>",
            "estimated_performance": "<EstimatedPerformanceMonitor>",
            "prometheus": "<PrometheusMonitor>",
            "freshness": "<FreshnessMonitor>",
            "volume": "<VolumeMonitor>",
        }
    ),
]

"""The ``monitors`` part of a policy: one frozen model per ``type``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ctrain.policy.fields import Duration, Frozen, PositiveDuration, Share


class DriftMonitor(Frozen):
    """Inputs or scores against the reference; numeric by ``test``, categorical by chi-squared."""

    type: Literal["drift"]
    test: Literal["ks", "psi", "jensen_shannon", "wasserstein", "hellinger"] = "ks"
    columns: tuple[str, ...] | None = None
    window: PositiveDuration
    fdr: Share = 0.01
    min_effect: Annotated[float, Field(ge=0)] = 0.1
    min_rows: Annotated[int, Field(ge=1)] = 500


class ChangeMonitor(Frozen):
    """A change detector on out-of-sample losses of the champion."""

    type: Literal["change"]
    detector: Literal["page_hinkley", "e_detector", "adwin", "ddm", "kswin"] = "page_hinkley"
    on: Literal["loss", "prediction"] = "loss"
    direction: Literal["up", "down", "both"] = "up"
    run_length: Annotated[int, Field(ge=1000)] = 1_000_000
    threshold: Annotated[float, Field(gt=0)] | None = None
    hold: Duration
    min_rows: Annotated[int, Field(ge=30)] = 500


class QualityMonitor(Frozen):
    type: Literal["quality"]
    window: PositiveDuration
    max_null_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    unseen_categories: Annotated[float, Field(ge=0, le=1)] | None = None


class PerformanceMonitor(Frozen):
    """A metric on matured labels of rows that the champion served."""

    type: Literal["performance"]
    metric: str
    window: PositiveDuration
    above: float | None = None
    below: float | None = None
    min_rows: Annotated[int, Field(ge=1)] = 1000


class PrometheusMonitor(Frozen):
    type: Literal["prometheus"]
    url: str
    query: str
    above: float | None = None
    below: float | None = None


class FreshnessMonitor(Frozen):
    type: Literal["freshness"]
    max_age: PositiveDuration


class VolumeMonitor(Frozen):
    """Rows per window, against absolute bounds."""

    type: Literal["volume"]
    window: PositiveDuration
    min_rows: Annotated[int, Field(ge=0)] | None = None
    max_rows: Annotated[int, Field(ge=1)] | None = None


Monitor = Annotated[
    DriftMonitor
    | ChangeMonitor
    | QualityMonitor
    | PerformanceMonitor
    | PrometheusMonitor
    | FreshnessMonitor
    | VolumeMonitor,
    Field(discriminator="type"),
]

"""A policy as frozen models; attribute names are the YAML keys of design section 6."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ctrain.domain import Task
from ctrain.policy.fields import (
    ClockTime,
    Duration,
    Frozen,
    Name,
    PositiveDuration,
    Share,
    Size,
    Zone,
)
from ctrain.policy.monitors import Monitor
from ctrain.policy.triggers import Trigger

Metric = Literal["brier", "log_loss", "zero_one", "absolute_error", "squared_error"]
"""Means over rows: what a comparison, a gate and a performance monitor can judge; lower is better."""


class Aliases(Frozen):
    champion: Name = "champion"
    challenger: Name = "challenger"
    previous_champion: Name = "previous_champion"


class ModelSpec(Frozen):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    task: Task
    metric: Metric
    output: Literal["auto", "probability", "class", "value"] = "auto"
    aliases: Aliases = Aliases()
    python: str | None = None


class FilesSource(Frozen):
    type: Literal["files"]
    path: str


class LabelsSpec(Frozen):
    """Labels in a table of their own (``source``) or in the rows' (no ``source``)."""

    source: FilesSource | None = None
    id: str | None = None
    label: str
    matures_after: Duration
    absent_means: Literal["missing", 0] = "missing"
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5


class EventTime(Frozen):
    column: str
    timezone: Zone | None = None


class Features(Frozen):
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.numeric, *self.categorical)


class DataSpec(Frozen):
    source: FilesSource
    labels: LabelsSpec
    id: str
    event_time: EventTime
    prediction: str | None = None
    model_version: str | None = None
    features: Features
    columns: dict[str, str] = Field(default_factory=dict)
    pane: PositiveDuration
    allowed_lateness: Duration
    retention: PositiveDuration | None = None


class LastWindow(Frozen):
    last: PositiveDuration
    lag: Duration | None = None


class ReferencePath(Frozen):
    path: str


class SameHours(Frozen):
    same_hours_last: PositiveDuration


class FromChampion(Frozen):
    from_: Literal["champion"] = Field(alias="from")


Reference = FromChampion | ReferencePath | LastWindow | SameHours


class Budget(Frozen):
    runs: Annotated[int, Field(ge=1)] | None = None
    training_time: PositiveDuration | None = None
    per: PositiveDuration


class Backoff(Frozen):
    after: tuple[Literal["rejected", "failed", "rolled_back"], ...]
    factor: Annotated[float, Field(ge=1)] = 2.0
    max: PositiveDuration


class Blackout(Frozen):
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] | None = None
    from_: ClockTime = Field(alias="from")
    to: ClockTime
    timezone: Zone


class Limits(Frozen):
    cooldown: Duration | None = None
    budget: Budget | None = None
    backoff: Backoff | None = None
    blackout: tuple[Blackout, ...] = ()
    min_new_labels: Annotated[int, Field(ge=0)] = 0


class Launcher(Frozen):
    type: Literal["process", "dask", "kubernetes", "http"] = "process"
    address: str | None = None
    url: str | None = None


class AllRows(Frozen):
    all: Literal[True]


class SinceChange(Frozen):
    since: Literal["change"]


class Train(Frozen):
    entrypoint: Annotated[str, Field(pattern=r"^[A-Za-z_][\w./-]*:[A-Za-z_]\w*$")] | None = None
    command: tuple[str, ...] | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    launcher: Launcher = Launcher()
    python: str | None = None
    window: LastWindow | AllRows | SinceChange
    holdout: Share = 0.2
    refit: bool = False
    timeout: PositiveDuration
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    memory_limit: Annotated[Size, Field(ge=10**9)] = 4 * 10**9


class AbsoluteGate(Frozen):
    """The challenger's own metric on the holdout must lie within bounds."""

    metric: str
    min: float | None = None
    max: float | None = None


class ChampionGate(Frozen):
    metric: str
    not_worse_than_champion_by: Annotated[float, Field(ge=0)]


class GroupGate(Frozen):
    metric: str
    by: str
    max_gap: Annotated[float, Field(ge=0)]


class ServingGate(Frozen):
    latency_p99_ms: Annotated[float, Field(gt=0)] | None = None
    max_size: Size | None = None


Gate = AbsoluteGate | ChampionGate | GroupGate | ServingGate


class Shadow(Frozen):
    alpha: Share = 0.05
    margin: Annotated[float, Field(ge=0)] = 0.0
    min_gain: Annotated[float, Field(ge=0)] = 0.0
    block: Literal["auto"] | PositiveDuration = "auto"
    min_rows: Annotated[int, Field(ge=1)] = 1000
    min_duration: Duration
    max_duration: PositiveDuration
    on_inconclusive: Literal["reject", "promote"] = "reject"


class Promotion(Frozen):
    approval: Literal["auto", "manual"] = "auto"
    expires_after: PositiveDuration | None = None


class Probation(Frozen):
    duration: PositiveDuration
    alpha: Share = 0.05
    margin: Annotated[float, Field(ge=0)] = 0.01
    min_rows: Annotated[int, Field(ge=1)] = 1000


class Notification(Frozen):
    on: tuple[Literal["fired", "promoted", "rejected", "rolled_back", "failed"], ...]
    url: str


class Policy(Frozen):
    version: Annotated[Literal[1], BeforeValidator(lambda value: value)]
    policy: Name
    model: ModelSpec
    data: DataSpec
    reference: Reference = FromChampion(**{"from": "champion"})
    monitors: dict[Name, Monitor]
    triggers: dict[Name, Trigger]
    limits: Limits = Limits()
    train: Train
    gates: tuple[Gate, ...] = ()
    shadow: Shadow
    promotion: Promotion = Promotion()
    probation: Probation
    notify: tuple[Notification, ...] = ()

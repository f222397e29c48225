"""A policy as frozen models; attribute names are the keys of the YAML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from ctrain.domain import Task
from ctrain.policy.fields import (
    Block,
    ClockTime,
    Duration,
    Frozen,
    Name,
    PositiveDuration,
    Share,
    Size,
    Text,
    Zone,
    matches,
    variant_by_key,
)
from ctrain.policy.metrics import Metric
from ctrain.policy.monitors import Monitor
from ctrain.policy.triggers import Trigger

Entrypoint = Annotated[
    str,
    *matches(r"^[A-Za-z_][\w./-]*:[A-Za-z_]\w*$", "module:function, a function in a file beside the policy"),
]


class Aliases(Frozen):
    """Names of the aliases in the registry, where other names than the usual ones are in use."""

    champion: Name = "champion"
    """Alias of the version that production serves."""
    challenger: Name = "challenger"
    """Alias of the version that a run has trained."""
    previous_champion: Name = "previous_champion"
    """Alias of the version that a rollback goes back to."""


class ModelSpec(Frozen):
    """The registered model that the policy keeps fresh."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the registered model in MLflow."""
    task: Task
    """Kind of prediction."""
    metric: Metric
    """What "better" means: a loss that is a mean over rows; lower is better."""
    output: Literal["auto", "probability", "class", "value"] = "auto"
    """What the model returns; ``auto`` finds out."""
    aliases: Aliases = Aliases()
    """Alias names, where they differ from the usual ones."""
    python: Text | None = None
    """Interpreter that scores with the model; default: ctrain's own."""


class FilesSource(Frozen):
    """Parquet files that are added to a directory or match a glob."""

    type: Literal["files"]
    """Kind of source."""
    path: Text
    """Directory or glob, relative to the folder of the policy file."""


class LabelsSpec(Frozen):
    """Labels in a table of their own (``source``) or in the rows' (no ``source``)."""

    source: FilesSource | None = None
    """Where labels come from, when not in the same table as the rows."""
    id: Text | None = None
    """Column of the labels' table that holds the row id; default: ``data.id``."""
    label: Text
    """Column that holds the label."""
    matures_after: Duration
    """How long after its event a row's label can be trusted."""
    absent_means: Literal["missing", 0] = "missing"
    """What a mature row without a label means: nothing known, or the label 0."""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of mature rows that must have a label for a verdict on losses."""


class EventTime(Frozen):
    """When a row happened."""

    column: Text
    """Column that holds the instant."""
    timezone: Zone | None = None
    """IANA zone of instants without an offset; without it, such instants are errors."""


class Features(Frozen):
    """Columns that the model is fitted on."""

    numeric: tuple[Text, ...] = ()
    """Numbers and booleans."""
    categorical: tuple[Text, ...] = ()
    """Categories, as text."""

    @property
    def names(self) -> tuple[str, ...]:
        """Numeric features, then categorical ones."""
        return (*self.numeric, *self.categorical)


class DataSpec(Frozen):
    """Where rows come from and what their columns mean."""

    source: FilesSource
    """Where the rows that production served come from."""
    labels: LabelsSpec
    """Where their labels come from."""
    id: Text
    """Column that identifies a row; a repeated id is dropped."""
    event_time: EventTime
    """When a row happened."""
    prediction: Text | None = None
    """Column with the score that production gave; rows are scored again when absent."""
    model_version: Text | None = None
    """Column with the model version that served the row."""
    features: Features
    """Columns that the model is fitted on."""
    columns: dict[Text, Text] = Field(default_factory=dict)
    """Renames: the name used in this policy, then the column or nested field in the files."""
    pane: PositiveDuration
    """Slice of event time that is summarised once; monitors look once a pane."""
    allowed_lateness: Duration
    """How far behind the newest event time rows may arrive and still count in verdicts."""
    retention: PositiveDuration | None = None
    """How long rows are kept; default: as long as anything in the policy needs them."""


class LastWindow(Frozen):
    """The most recent stretch of event time."""

    last: PositiveDuration
    """Length of the window."""
    lag: Duration | None = None
    """How long before now the window ends."""


class ReferencePath(Frozen):
    """Rows of a Parquet file."""

    path: Text
    """File, relative to the folder of the policy file."""


class SameHours(Frozen):
    """The same hours of the day in recent weeks."""

    same_hours_last: PositiveDuration
    """How far back the same hours are taken from."""


class FromChampion(Frozen):
    """The rows that the champion was trained on."""

    from_: Literal["champion"] = Field(alias="from")
    """Follows the champion alias."""


Reference = Annotated[
    Annotated[FromChampion, Tag("<FromChampion>")]
    | Annotated[ReferencePath, Tag("<ReferencePath>")]
    | Annotated[LastWindow, Tag("<LastWindow>")]
    | Annotated[SameHours, Tag("<SameHours>")],
    variant_by_key(
        {
            "from": "<FromChampion>",
            "path": "<ReferencePath>",
            "last": "<LastWindow>",
            "same_hours_last": "<SameHours>",
        }
    ),
]


class Budget(Frozen):
    """What retraining may cost in a stretch of time."""

    runs: Annotated[int, Field(ge=1)] | None = None
    """Runs, failed ones included."""
    training_time: PositiveDuration | None = None
    """Time spent training."""
    per: PositiveDuration
    """The stretch of time, ending now."""


class Backoff(Frozen):
    """Longer and longer pauses after runs that came to nothing."""

    after: Annotated[tuple[Literal["rejected", "failed", "rolled_back"], ...], Field(min_length=1)]
    """Ends of runs that lengthen the pause; any other end resets it."""
    factor: Annotated[float, Field(ge=1)] = 2.0
    """By how much each further run of that kind multiplies the pause."""
    max: PositiveDuration
    """The longest pause."""


class Blackout(Frozen):
    """Hours without training and promotion; a rollback is always possible."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] | None = None
    """Days on which it begins; default: every day."""
    from_: ClockTime = Field(alias="from")
    """Wall clock at which it begins."""
    to: ClockTime
    """Wall clock at which it ends; before ``from``: on the next day."""
    timezone: Zone
    """IANA zone of that wall clock."""


class Limits(Frozen):
    """What is checked before a training is paid for."""

    cooldown: Duration | None = None
    """Pause after the end of every run."""
    budget: Budget | None = None
    """Runs per stretch of time."""
    backoff: Backoff | None = None
    """Longer pauses after runs that came to nothing."""
    blackout: tuple[Blackout, ...] = ()
    """Hours without training and promotion."""
    min_new_labels: Annotated[int, Field(ge=0)] = 0
    """Labelled, matured rows since the last training cut-off that a run needs."""


class Launcher(Frozen):
    """Where training runs."""

    type: Literal["process", "dask", "kubernetes", "http"] = "process"
    """``process``: a child process on this machine."""
    address: Text | None = None
    """Scheduler of a dask cluster."""
    url: Text | None = None
    """Address of an HTTP launcher."""


class AllRows(Frozen):
    """Every matured row that is kept."""

    all: Literal[True]
    """Take all rows."""


class SinceChange(Frozen):
    """The rows since the change that a detector found."""

    since: Literal["change"]
    """Begin at the change."""


TrainWindow = Annotated[
    Annotated[LastWindow, Tag("<LastWindow>")]
    | Annotated[AllRows, Tag("<AllRows>")]
    | Annotated[SinceChange, Tag("<SinceChange>")],
    variant_by_key({"last": "<LastWindow>", "all": "<AllRows>", "since": "<SinceChange>"}),
]


class Train(Frozen):
    """How a challenger is trained."""

    entrypoint: Entrypoint | None = None
    """``module:function`` in a file beside the policy."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Program and arguments, instead of an entrypoint."""
    params: dict[Text, Any] = Field(default_factory=dict)
    """Free values that the training function finds in its context."""
    launcher: Launcher = Launcher()
    """Where training runs."""
    python: Text | None = None
    """Interpreter that trains; default: ctrain's own."""
    window: TrainWindow
    """Rows to train on: ``{last: 30d}`` or ``{all: true}``."""
    holdout: Share = 0.2
    """The most recent share of the rows, kept from the training for the gates."""
    refit: bool = False
    """Fit once more on all rows after the gates."""
    timeout: PositiveDuration
    """After this time an attempt is stopped and has failed."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Further attempts after one that failed."""
    memory_limit: Annotated[Size, Field(ge=10**9)] = 4 * 10**9
    """Address space of the training process; at least 1GB."""


class AbsoluteGate(Frozen):
    """The challenger's own metric on the holdout must lie within bounds."""

    metric: Text
    """Metric of the challenger on the holdout."""
    min: float | None = None
    """Lowest value that passes."""
    max: float | None = None
    """Highest value that passes."""


class ChampionGate(Frozen):
    """The challenger must not be worse on the holdout than the champion by more than a margin."""

    metric: Text
    """Metric of both on the holdout."""
    not_worse_than_champion_by: Annotated[float, Field(ge=0)]
    """The worsening that is tolerated."""


class GroupGate(Frozen):
    """The metric must not differ too much between the groups of a column."""

    metric: Text
    """Metric of the challenger in each group."""
    by: Text
    """Column whose values are the groups."""
    max_gap: Annotated[float, Field(ge=0)]
    """Largest difference between two groups that passes."""


class ServingGate(Frozen):
    """The challenger must be fast and small enough."""

    latency_p99_ms: Annotated[float, Field(gt=0)] | None = None
    """99th percentile of the time to predict one row, in milliseconds."""
    max_size: Size | None = None
    """Size of the artifact."""


Gate = Annotated[
    Annotated[AbsoluteGate, Tag("<AbsoluteGate>")]
    | Annotated[ChampionGate, Tag("<ChampionGate>")]
    | Annotated[GroupGate, Tag("<GroupGate>")]
    | Annotated[ServingGate, Tag("<ServingGate>")],
    variant_by_key(
        {
            "not_worse_than_champion_by": "<ChampionGate>",
            "by": "<GroupGate>",
            "max_gap": "<GroupGate>",
            "latency_p99_ms": "<ServingGate>",
            "max_size": "<ServingGate>",
            "min": "<AbsoluteGate>",
            "max": "<AbsoluteGate>",
            "metric": "<AbsoluteGate>",
        }
    ),
]


class Shadow(Frozen):
    """The paired comparison of challenger and champion on the same live rows."""

    alpha: Share = 0.05
    """Largest probability of promoting a challenger that is worse by the margin, over all looks."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """The worsening of the metric that is tolerated."""
    min_gain: Annotated[float, Field(ge=0)] = 0.0
    """The improvement of the metric that is asked for."""
    block: Block = "auto"
    """Slice of event time whose mean difference counts as one observation."""
    min_rows: Annotated[int, Field(ge=1)] = 1000
    """Compared rows before anything is decided."""
    min_duration: Duration
    """Event time before anything is decided."""
    max_duration: PositiveDuration
    """Event time after which it ends undecided."""
    on_inconclusive: Literal["reject", "promote"] = "reject"
    """What becomes of a challenger when it ends undecided."""


class Promotion(Frozen):
    """How a challenger that won becomes champion."""

    approval: Literal["auto", "manual"] = "auto"
    """``manual``: a person approves each promotion."""
    expires_after: PositiveDuration | None = None
    """How long a promotion waits for a person."""


class Probation(Frozen):
    """The watch over a new champion, beside the previous one on the same rows."""

    duration: PositiveDuration
    """Event time until the new champion is accepted."""
    alpha: Share = 0.05
    """Largest probability of rolling back a champion that is not worse by the margin."""
    margin: Annotated[float, Field(ge=0)] = 0.01
    """The worsening of the metric that is tolerated."""
    min_rows: Annotated[int, Field(ge=1)] = 1000
    """Compared rows that acceptance needs; too few extend the probation."""


class Notification(Frozen):
    """Whom to tell of what."""

    on: tuple[Literal["fired", "promoted", "rejected", "rolled_back", "failed"], ...]
    """What is told."""
    url: Text
    """Where it is sent."""


class Policy(Frozen):
    """One registered model in one environment, and all that ctrain does for it."""

    version: Literal[1]
    """Version of this format."""
    policy: Name
    """Name of the policy, unique among all that a daemon runs."""
    model: ModelSpec
    """The registered model."""
    data: DataSpec
    """Rows, labels and columns."""
    reference: Reference = FromChampion(**{"from": "champion"})
    """What the current window is compared with."""
    monitors: dict[Name, Monitor] = Field(default_factory=dict)
    """Named checks."""
    triggers: dict[Name, Trigger] = Field(default_factory=dict)
    """Named conditions that start a run."""
    limits: Limits = Limits()
    """What is checked before a training is paid for."""
    train: Train
    """How a challenger is trained."""
    gates: tuple[Gate, ...] = ()
    """Checks of the challenger on the holdout."""
    shadow: Shadow
    """The comparison on live rows."""
    promotion: Promotion = Promotion()
    """How a challenger that won becomes champion."""
    probation: Probation
    """The watch over a new champion."""
    notify: tuple[Notification, ...] = ()
    """Whom to tell of what."""

"""The ``limits``, ``train`` and ``gates`` parts of a policy: what a training costs, does and must pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Tag

from ctrain.policy.data import LastWindow
from ctrain.policy.fields import (
    ClockTime,
    Duration,
    Frozen,
    PositiveDuration,
    Share,
    Size,
    Text,
    Zone,
    matches,
    variant_by_key,
)
from ctrain.policy.tuning import Tune

Entrypoint = Annotated[
    str,
    *matches(
        r"^(?!.*\.\.)[A-Za-z_][\w./-]*:[A-Za-z_]\w*$",
        "module:function, a function in a file beside the policy",
    ),
]


VariableName = Annotated[
    str, *matches(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable, not its value")
]


def _check_file(size: int) -> int:
    """Return ``size``; a model and the database of an embedded MLflow must fit."""
    if size < 10**8:
        raise ValueError("expected at least 100MB")
    return size


def _check_memory(size: int) -> int:
    """Return ``size``; less than this kills numerical libraries while they are imported."""
    if size < 10**9:
        raise ValueError("expected at least 1GB")
    return size


class Budget(Frozen):
    """What retraining may cost in a stretch of time."""

    runs: Annotated[int, Field(ge=1)] | None = None
    """Runs, failed ones included."""
    training_time: PositiveDuration | None = None
    """Time spent training, failed attempts included; before a start the median of past trainings
    (``train.timeout`` before the first) must be left."""
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
    """Hours in which no training and no promotion begins; a rollback is always possible."""

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
    """Runs and training time per stretch of time."""
    backoff: Backoff | None = None
    """Longer pauses after runs that came to nothing."""
    blackout: tuple[Blackout, ...] = ()
    """Hours without training and promotion."""
    min_new_labels: Annotated[int, Field(ge=0)] = 0
    """Labelled, matured rows since the last training cut-off that a run needs."""


class Launcher(Frozen):
    """Where training runs."""

    type: Literal["process", "dask", "kubernetes", "http"] = "process"
    """``process``: a child process on this machine; ``dask``: a worker of a cluster, which sees home and
    policies under the same paths, and scores, too."""
    address: Text | None = None
    """Scheduler of a dask cluster: ``tcp://HOST:PORT`` or ``tls://HOST:PORT``; default: the cluster that
    ``ctrain run --local-cluster`` starts."""
    resources: dict[Text, Annotated[float, Field(gt=0)]] | None = None
    """What a worker of the dask cluster must have free for a training, by dask's names: ``{GPU: 1}``."""
    url: Text | None = None
    """Address of an HTTP launcher."""

    @property
    def told(self) -> dict[str, Any]:
        """What a job is told of it; empty for a process of this machine."""
        return self.model_dump(exclude_none=True) if self.type != "process" else {}


class AllRows(Frozen):
    """Every matured row that is kept."""

    all: Literal[True]
    """Take all rows."""


class SinceChange(Frozen):
    """The rows since the change that a detector found."""

    since: Literal["change"]
    """Begin at the change."""
    min_rows: Annotated[int, Field(ge=100)] = 2000
    """With fewer rows since the change, or without one, these last ones are taken."""


TrainWindow = Annotated[
    Annotated[LastWindow, Tag("<LastWindow>")]
    | Annotated[AllRows, Tag("<AllRows>")]
    | Annotated[SinceChange, Tag("<SinceChange>")],
    variant_by_key({"last": "<LastWindow>", "all": "<AllRows>", "since": "<SinceChange>"}),
]


class AgeWeights(Frozen):
    """Older rows count less."""

    half_life: PositiveDuration
    """Age at which a row counts half of what the newest counts."""


class Learnable(Frozen):
    """A look before the training: is there anything to learn that the champion does not know?"""

    rows: Annotated[int, Field(ge=400)] = 4000
    """At most so many of the rows to train on, and a quarter of them, in four quick refits; as many of the
    rows that the champion was trained on are fitted beside them, and as many held-out ones judge."""
    require: bool = False
    """Reject a run whose rows teach nothing before its training; otherwise the look is only reported."""


class Train(Frozen):
    """How a challenger is trained."""

    entrypoint: Entrypoint | None = None
    """``module:function`` in a file beside the policy."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Program and arguments, instead of an entrypoint; it runs in the folder of the policy file."""
    candidates: Annotated[tuple[Entrypoint, ...], Field(min_length=2)] | None = None
    """Several ``module:function``, instead of an entrypoint: the best on the newest training rows trains."""
    params: dict[Text, Any] = Field(default_factory=dict)
    """Free values that the training function finds in its context."""
    tune: Tune | None = None
    """A search for values of parameters, by the newest training rows; default: none."""
    learnable: Learnable | None = None
    """A look before the training, by quick refits: is there anything to learn that the champion does not
    know? Default: none."""
    launcher: Launcher = Launcher()
    """Where training runs."""
    python: Text | None = None
    """Interpreter that trains; default: ctrain's own."""
    window: TrainWindow
    """Rows to train on: ``{last: 30d}``, ``{all: true}`` or ``{since: change}``."""
    min_rows: Annotated[int, Field(ge=1)] = 100
    """Fewest rows to train on, the holdout not counted; with fewer no run starts."""
    weights: AgeWeights | None = None
    """Weights of the rows by their age, for ``context.sample_weight``; default: none."""
    holdout: Share = 0.2
    """The most recent share of the rows, kept from the training for the gates."""
    refit: bool = False
    """Fit once more on all rows after the gates."""
    reuse: bool = True
    """Take the version of an earlier run of the same rows, code and parameters, instead of training again."""
    timeout: PositiveDuration
    """After this time an attempt is stopped and has failed."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Further attempts after one that failed."""
    memory_limit: Annotated[Size, AfterValidator(_check_memory)] = 4 * 10**9
    """Address space of the training process; at least 1GB."""
    file_limit: Annotated[Size, AfterValidator(_check_file)] = 100 * 10**9
    """Largest file that training may write; at least 100MB."""
    env: tuple[VariableName, ...] = ()
    """Names of further environment variables that training may see; their values are kept out of logs."""


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
    """Metric of the challenger in each group; of a binary task also ``selection_rate`` (demographic parity),
    ``true_positive_rate`` (equal opportunity), ``false_positive_rate``, and ``equalized_odds``, the larger
    gap of the last two."""
    by: Text
    """Column whose values are the groups."""
    max_gap: Annotated[float, Field(ge=0)]
    """Largest difference between two groups that passes."""
    min_rows: Annotated[int, Field(ge=1)] = 100
    """Held-out rows that a group needs; smaller ones are left out and named."""


class ServingGate(Frozen):
    """The challenger must load in a clean process, be fast and small, and give equal rows equal scores."""

    latency_p99_ms: Annotated[float, Field(gt=0)] | None = None
    """99th percentile of the time to predict one row in a process of its own, in milliseconds, without
    what a server and its network add."""
    latency_p50_ms: Annotated[float, Field(gt=0)] | None = None
    """Median of the time to predict one row, measured in the same way."""
    max_size: Size | None = None
    """Size of the artifact."""
    signature: Literal["same", "any"] = "same"
    """``same``: names and types of the inputs are the champion's. ``{signature: same}`` alone bounds neither
    time nor size."""


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
            "latency_p50_ms": "<ServingGate>",
            "max_size": "<ServingGate>",
            "signature": "<ServingGate>",
            "min": "<AbsoluteGate>",
            "max": "<AbsoluteGate>",
            "metric": "<AbsoluteGate>",
        }
    ),
]

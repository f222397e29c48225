"""A policy as frozen models; attribute names are the keys of the YAML file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ctrain.policy.data import (
    Aliases,
    DataSpec,
    EventTime,
    Features,
    FilesSource,
    FromChampion,
    LabelsSpec,
    LastWindow,
    ModelSpec,
    Reference,
    ReferencePath,
    SameHours,
)
from ctrain.policy.fields import Block, Duration, Frozen, Name, PositiveDuration, Share, Text
from ctrain.policy.monitors import Monitor
from ctrain.policy.notify import Notification
from ctrain.policy.training import (
    AbsoluteGate,
    AgeWeights,
    AllRows,
    Backoff,
    Blackout,
    Budget,
    ChampionGate,
    Gate,
    GroupGate,
    Launcher,
    Limits,
    ServingGate,
    SinceChange,
    Train,
    TrainWindow,
)
from ctrain.policy.triggers import Trigger

__all__ = [
    "AbsoluteGate",
    "AgeWeights",
    "Aliases",
    "AllRows",
    "Backoff",
    "Blackout",
    "Budget",
    "ChampionGate",
    "DataSpec",
    "EventTime",
    "Features",
    "FilesSource",
    "FromChampion",
    "Gate",
    "GroupGate",
    "LabelsSpec",
    "LastWindow",
    "Launcher",
    "Limits",
    "ModelSpec",
    "Notification",
    "Policy",
    "Probation",
    "Promotion",
    "Reference",
    "ReferencePath",
    "SameHours",
    "ServingGate",
    "Shadow",
    "SinceChange",
    "Train",
    "TrainWindow",
]


class Shadow(Frozen):
    """The paired comparison of challenger and champion on the same live rows."""

    alpha: Share = 0.05
    """Largest probability of promoting by evidence a challenger that is worse by the margin, over all looks.
    It does not cover ``on_inconclusive: promote``. The sum over the shadows of a year is in `ctrain status`
    and a metric, beside how many were promoted undecided."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """The worsening of the metric that is tolerated. The unit of ``brier`` and ``zero_one`` is their own; of
    ``log_loss`` it is 6.9, the most that a row can lose, so that 0.001 tolerates 0.0069; of a regression it
    is the 99th percentile of the champion's errors (or squared errors) before the comparison."""
    min_gain: Annotated[float, Field(ge=0)] = 0.0
    """The improvement of the metric that is asked for, in the unit of ``margin``; with one, ``margin`` is
    only for ``slices``."""
    slices: tuple[Text, ...] = ()
    """Categorical or boolean features: a challenger that is clearly worse, by more than ``margin``, on the
    rows of one of their values is not promoted, however good it is on average. Each of the up to 20 values
    with most held-out rows is tested at ``alpha`` divided by the number of slices."""
    block: Block = "auto"
    """Slice of event time whose mean difference counts as one observation. ``auto``: five times as long as
    the differences on held-out rows correlate, and no longer than a twentieth of ``undecided_after`` (or
    ``max_duration``), in the probation a tenth of its ``duration``. Blocks that are cut are told of."""
    min_rows: Annotated[int, Field(ge=1)] = 1000
    """Compared rows before anything is decided."""
    min_duration: Duration
    """Event time before anything is decided."""
    max_duration: PositiveDuration
    """Event time after which it ends undecided."""
    undecided_after: PositiveDuration | None = None
    """Event time after which ``on_inconclusive: promote`` promotes an undecided challenger that is no worse
    than the margin on average, with ``min_rows`` rows and 20 blocks; default: ``max_duration``."""
    on_inconclusive: Literal["reject", "promote"] = "reject"
    """What becomes of a challenger when it ends undecided. ``promote``: it is promoted if it is no worse than
    the margin on average, which is no evidence; ``alpha`` does not bound how often that is wrong."""


class Promotion(Frozen):
    """How a challenger that won becomes champion."""

    approval: Literal["auto", "manual"] = "auto"
    """``manual``: a person approves each promotion with `ctrain approve RUN`, after gates and shadow."""
    expires_after: PositiveDuration | None = None
    """How long a promotion waits for a person; default: until it is cancelled or superseded."""


class Probation(Frozen):
    """The watch over a new champion, beside the previous one on the same rows."""

    duration: PositiveDuration
    """Event time until the new champion is accepted."""
    alpha: Share = 0.05
    """Largest probability of rolling back a champion that is not worse: half of it over all looks, and half
    for a last test of one that is undecided after twice ``duration``."""
    margin: Annotated[float, Field(ge=0)] = 0.01
    """The worsening of the metric that is tolerated, in the unit of ``shadow.margin``."""
    min_rows: Annotated[int, Field(ge=1)] = 1000
    """Compared rows that acceptance needs; too few extend the probation."""


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

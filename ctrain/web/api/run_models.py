"""What the API answers about runs, events and requests, as OpenAPI describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from ctrain.domain import Phase, RequestKind
from ctrain.domain.access import Role
from ctrain.web.api.examples.policies import CHAMPION
from ctrain.web.api.examples.story import DONE, TRIED
from ctrain.web.api.fields import Asked, Model, Number, Page, Short, Words
from ctrain.web.api.models import RunLine


class Runs(Page):
    """Runs, newest first."""

    runs: list[RunLine]


class PhaseTime(Model):
    phase: Phase
    since_at: datetime
    until_at: datetime | None = Field(description="Null while the run is there.")
    reason: str


class Comparison(Model):
    """The newest look of a paired comparison; `mean` in it is new minus old: below zero is better."""

    phase: Phase
    looks: int
    as_of: datetime
    point: dict[str, Any]


class AliasMove(Model):
    kind: str
    created_at: datetime
    expected_champion: str | None
    new_champion: str
    new_previous: str | None
    outcome: str


class Run(Model):
    """Everything on record about one run."""

    run: RunLine
    policy_hash: str
    mlflow_run_id: str | None
    phases: list[PhaseTime]
    training: dict[str, Any]
    evaluation: dict[str, Any] = Field(
        description="Metrics on held-out rows: `challenger` on all; `paired` (the challenger) and `champion` "
        "on the `fair_rows` that are later than both trainings. `groups`: each gate between groups. "
        "`serving`: milliseconds of a prediction, bytes, `deterministic`. `gates`: what they said."
    )
    comparisons: list[Comparison]
    alias_moves: list[AliasMove]
    probation: dict[str, Any]
    rollback: dict[str, Any]
    approval: dict[str, Any] = Field(
        description="What an approval is bound to, until when it can be given, and what was answered."
    )


class Look(Model):
    """The comparison after a block; the bounds are null before there are enough blocks."""

    as_of: datetime
    blocks: int
    rows: int
    mean: Number = Field(description="New minus old: below zero the challenger is better.")
    lower: Number
    upper: Number


class Sequence(Model):
    """The confidence sequence of a phase; `limit` decides: promoted below it, rejected above it.

    Each bound has `alpha`, the lower one of a probation half of it.
    """

    phase: Phase
    points: list[Look]
    limit: Number
    alpha: Number
    min_rows: int | None


class Comparisons(Model):
    """Each phase that has compared."""

    sequences: list[Sequence]


class Event(Model):
    """One line of the audited history; `at` is null where what stands there cannot be read."""

    number: int
    hash: str
    at: datetime | None
    policy: str
    kind: str
    actor: str
    message: str
    run: str | None


class Events(Page):
    """Events, newest first."""

    events: list[Event]


class Request(Model):
    """What somebody asked for, and how it went."""

    id: int
    policy: str
    kind: RequestKind
    actor: str = Field(examples=["token nightly"])
    created_at: datetime
    state: Literal["open", "done", "refused"]
    answer: str = Field(description="Empty while it is open.", examples=[DONE])
    arguments: dict[str, Any]


class Pause(Model):
    policy: str
    paused: bool


class Outcome(Model):
    daemon: str
    succeeded: bool
    message: str = Field(description="What is wrong with the files, where something is.")
    at: datetime


class Reload(Model):
    """A reading of all policy files; one outcome for each daemon that has done it."""

    number: int
    outcomes: list[Outcome] = Field(default_factory=list)


class WhoAmI(Model):
    name: str
    role: Role
    actor: str = Field(description="As it stands on record.")


class Reason(Asked):
    """Why; it is on record with who asked."""

    reason: Words = Field(default="", examples=[TRIED])


class Trigger(Reason):
    params: dict[Short, Short] = Field(
        default={},
        max_length=50,
        description="For this run's training function.",
        examples=[{"depth": "6"}],
    )


class Rollback(Reason):
    champion: Short | None = Field(
        default=None,
        description="The version to go back from; refused when another is the champion by then. Without it "
        "a request that is sent twice, without the same idempotency key, goes back twice.",
        examples=[CHAMPION["version"]],
    )


class Answer(Reason):
    """What a person decides on; it counts only while that is what the run stands on."""

    evidence: Short = Field(
        default="",
        description="The digest that the run's `approval.evidence` showed, or how it begins; empty: what "
        "is on record now.",
    )

"""What the API answers about policies, as OpenAPI describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from ctrain.domain import Phase, Status
from ctrain.queries.overview import Health
from ctrain.web.api.examples.policies import BRIER, CHAMPION
from ctrain.web.api.examples.story import POLICY, RUN
from ctrain.web.api.fields import Model, Number, Page, Seconds


class ColumnVerdict(Model):
    """One column's part in a verdict; null where there is no such number."""

    column: str
    test: str
    statistic: Number = None
    p_value: Number = None
    p_adjusted: Number = None
    effect: Number = None
    threshold: Number = None
    breached: bool
    n: int
    note: str


class Verdict(Model):
    """A monitor's answer as of the end of a closed pane."""

    monitor: str = Field(examples=[BRIER["monitor"]])
    as_of: datetime
    status: Status
    value: Number
    threshold: Number
    n: int = Field(description="Rows that it rests on.")
    reason: str = Field(examples=[BRIER["reason"]])
    features: list[ColumnVerdict] = Field(default_factory=list)
    model_version: str | None = None


class Verdicts(Page):
    """Verdicts, newest first."""

    verdicts: list[Verdict]


class ActiveRun(Model):
    id: str
    phase: Phase
    phase_since: datetime


class LastTrigger(Model):
    """The trigger that fired last, or was suppressed last by more than a run that is under way."""

    name: str
    outcome: str = Field(description="`fired`, or why it was suppressed.", examples=["fired", "cooldown"])
    reason: str
    since_at: datetime
    last_seen_at: datetime
    lasts: bool = Field(description="It is suppressed still, since `since_at`.")


class PolicyLine(Model):
    """A policy in a line."""

    policy: str = Field(examples=[POLICY])
    paused: bool
    health: Health
    why: str = Field(description="What is wrong; empty while it is well.")
    champion: str | None = Field(
        description="Version of the registered model.", examples=[CHAMPION["version"]]
    )
    champion_since_at: datetime | None
    run: ActiveRun | None
    awaits_approval: bool
    last_trigger: LastTrigger | None
    newest_event_at: datetime | None = Field(description="Event time of the newest row.")
    holder: str | None = Field(description="Who watches it; null while nobody does.")
    monitor: str | None = Field(description="The monitor that tells best how the model does.")


class Policies(Page):
    """Policies by name."""

    now: datetime
    daemons: list[str] = Field(description="Daemons that live.")
    policies: list[PolicyLine]


class Champion(Model):
    version: str
    since_at: datetime
    origin: str
    cut_off_at: datetime | None = Field(description="Rows after it were not trained on.")


class RunLine(Model):
    """A run in a line."""

    id: str = Field(examples=[RUN])
    policy: str
    phase: Phase
    phase_since: datetime
    trigger: str
    reason: str
    actor: str
    created_at: datetime
    ended_at: datetime | None
    champion_version: str | None
    challenger_version: str | None
    outcome_reason: str


class Data(Model):
    """What has been read, and until when."""

    watermark: datetime | None
    newest_event_at: datetime | None
    last_arrival_at: datetime | None
    rows: int
    labels: int
    label_coverage: Number
    late: int
    duplicates: int
    rejected: dict[str, int]
    rejected_files: list[str]


class DecisionNow(Model):
    """The newest decision about a trigger, and since when it stands."""

    trigger: str
    outcome: str
    suppression: str | None
    reason: str
    since_at: datetime
    last_seen_at: datetime
    seen_count: int
    needs: list[str] = Field(description="What would have to be true for it to fire.")
    evidence: dict[str, Any]


class Trouble(Model):
    """What keeps ctrain from its work on a policy, and has not ended."""

    kind: str = Field(examples=["tick_failed", "registry_unreadable", "rollback_failed", "policy_refused"])
    since_at: datetime
    message: str


class PolicyNow(Model):
    """Where one policy stands."""

    policy: str
    paused: bool
    champion: Champion | None
    run: RunLine | None
    verdicts: list[Verdict]
    data: Data
    last_decision: DecisionNow | None
    open_requests: int
    registry_trouble: str | None
    alpha_spent: float
    shadows: int
    promoted_undecided: int = Field(description="Of these shadows; alpha does not bound how many were wrong.")
    models_trained: int
    models_promoted: int
    notices_pending: int
    notices_dead: int
    notices_error: str | None
    holder: str | None
    troubles: list[Trouble] = Field(description="All that are under way, the gravest first.")


class Limits(Model):
    """What limits still hold back; null where nothing does or no such limit is set."""

    active_run: str | None
    paused: bool
    cooldown_until: datetime | None
    backoff_until: datetime | None
    budget_runs_left: int | None
    budget_frees_at: datetime | None
    min_new_labels: int | None
    training_time_left: Seconds = None
    training_time_frees_at: datetime | None
    blackout_until: datetime | None


class Why(Model):
    """Why a policy does or does not retrain."""

    policy: str
    now: datetime
    daemon: str | None
    champion: Champion | None
    decisions: list[DecisionNow]
    verdicts: list[Verdict]
    limits: Limits
    notes: list[str]
    alpha_spent: float
    shadows: int
    promoted_undecided: int = Field(description="Of these shadows; alpha does not bound how many were wrong.")


class Decision(Model):
    """A decision about a trigger, also one not to act."""

    number: int
    trigger: str = Field(examples=["degraded"])
    outcome: str = Field(examples=["fired", "suppressed", "not_met"])
    suppression: str | None = Field(examples=["active_run", None])
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime
    seen_count: int
    evidence: dict[str, Any]


class Decisions(Page):
    """Decisions, those first that began last."""

    decisions: list[Decision]


class Reign(Model):
    """A version as the champion; `until_at` is null while it is, `version` while there was none."""

    version: str | None
    since_at: datetime
    until_at: datetime | None
    how: str = Field(examples=["promoted", "rolled back", "found", "changed outside"])
    why: str
    by: str
    run: str | None
    event: int = Field(description="Number of the event that tells of it.")


class Champions(Page):
    """Champions, the present one first."""

    champions: list[Reign]

"""What the console's pages show: each method answers one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.domain import MonitorName, PolicyName, Request, RunId, Verdict, Version
from ctrain.engine.explanations import EVENT as EXPLAINED
from ctrain.engine.pictures import INPUT_MONITORS
from ctrain.errors import PolicyError
from ctrain.lifecycle.model_card import render_card
from ctrain.policy.files import parse_policy
from ctrain.queries.answers import Answer, PolicyStatus, RunDetail, RunNow, Why
from ctrain.queries.champion_history import Reign, previous_version, reigns
from ctrain.queries.heat import HeatMap
from ctrain.queries.history_page import HistoryPage, history_page
from ctrain.queries.judged import JudgedTable, groups_of, metrics_of, serving_of
from ctrain.queries.limits import policy_in_force
from ctrain.queries.sequence import ConfidenceSequence, sequences_of
from ctrain.queries.series import MonitorSeries, series_of
from ctrain.queries.slices import SliceNow, slices_of
from ctrain.queries.timeline import Timeline, timeline_of

if TYPE_CHECKING:
    from ctrain.domain import Run
    from ctrain.policy.models import Policy
    from ctrain.ports import Clock, Store, Transaction
    from ctrain.queries.fleet import FleetQueries

LOOKED_BACK = timedelta(days=30)
MOST_VERDICTS = 720
"""Of a monitor: a month of hours."""
MOST_MAPPED = 240
"""Verdicts of a monitor whose columns are read."""
MOST_RUNS = 100
MOST_EVENTS = 1000
"""Of a run."""
SHOWN_RUNS = 20


@dataclass(frozen=True, slots=True)
class PolicyPage(Answer):
    """Everything on the page of a policy."""

    status: PolicyStatus
    why: Why
    timeline: Timeline
    heat: tuple[HeatMap, ...]
    series: tuple[MonitorSeries, ...]
    reigns: tuple[Reign, ...]
    runs: tuple[RunNow, ...]
    model: str
    metric: str
    previous: Version | None
    """What a rollback would make the champion, as far as ctrain knows."""
    types: Mapping[MonitorName, str]
    """Of the policy's monitors by name, also of those without a verdict; empty when the file is unknown."""
    unmapped: tuple[Verdict, ...]
    """The newest of each monitor that looks at features and has tested none so far."""


@dataclass(frozen=True, slots=True)
class RunPage(Answer):
    """Everything on the page of a run."""

    detail: RunDetail
    now: datetime
    model: str
    metric: str
    sequences: tuple[ConfidenceSequence, ...]
    slices: tuple[SliceNow, ...]
    metrics: JudgedTable
    groups: JudgedTable
    serving: JudgedTable
    card: str
    champion: Version | None
    """Of the policy, as it is now."""
    previous: Version | None
    paused: bool
    params: Mapping[str, str]
    """That whoever asked for it gave to this run's training."""
    manual: bool
    """A person has to approve its promotion."""
    explained: tuple[str, ...] = ()
    """Names of the pictures and reports that are attached to its MLflow run."""


class PageQueries:
    """Reads for the console; each answer is of one moment, give or take that of a page's parts."""

    def __init__(self, fleet: FleetQueries, store: Store, clock: Clock, environ: Mapping[str, str]) -> None:
        self._fleet = fleet
        self._store = store
        self._clock = clock
        self._environ = environ

    def policy(self, name: PolicyName) -> PolicyPage:
        """Raises InputError when there is no such policy."""
        status = self._fleet.status(name).policies[0]
        why = self._fleet.why(name)
        shown = self._fleet.runs(name, SHOWN_RUNS)
        now = self._clock.now()
        with self._store.read() as tx:
            runs = tx.runs(name, limit=MOST_RUNS)
            policy = policy_in_force(tx.policy_record(name), runs, self._environ)
            champions = reigns(tx, name)
            since = now - LOOKED_BACK
            recent = [_recent(tx, name, one, since) for one in status.verdicts]
            columned = [one for one in status.verdicts if _looks_at_columns(policy, one)]
            heat = self._heat(tx, name, columned, since)
            mapped = {one.monitor for one in heat}
            return PolicyPage(
                status=status,
                why=why,
                timeline=timeline_of(tx, name, since, now, runs, champions),
                heat=heat,
                series=tuple(series_of(policy, found) for found in recent),
                reigns=champions,
                runs=shown,
                model=policy.model.name if policy else name,
                metric=policy.model.metric if policy else "",
                previous=_previous(tx, name, champions),
                types={MonitorName(one): each.type for one, each in policy.monitors.items()}
                if policy
                else {},
                unmapped=tuple(one for one in columned if one.monitor not in mapped),
            )

    def run(self, run_id: RunId) -> RunPage:
        """Raises InputError when there is no such run."""
        detail = self._fleet.show(run_id)
        with self._store.read() as tx:
            run = tx.run(run_id)
            assert run is not None
            policy = self._snapshot(run)
            champion = tx.champion(run.policy)
            has_card = policy is not None and run.challenger_version is not None
            return RunPage(
                detail=detail,
                now=self._clock.now(),
                model=policy.model.name if policy else run.policy,
                metric=policy.model.metric if policy else "",
                sequences=sequences_of(tx.comparison_points(run_id), policy),
                slices=_slices(run, policy),
                metrics=metrics_of(run, policy.model.metric if policy else ""),
                groups=groups_of(run),
                serving=serving_of(run),
                card=render_card(run, policy.model.name, policy.model.metric) if policy and has_card else "",
                champion=champion.version if champion else None,
                previous=_previous(tx, run.policy, reigns(tx, run.policy)),
                paused=tx.paused(run.policy),
                params=dict(run.details.get("request", {}).get("params") or {}),
                manual=policy is not None and policy.promotion.approval == "manual",
                explained=_explained(tx, run),
            )

    def history(
        self, before: int | None = None, policy: str = "", run: str = "", matter: str = ""
    ) -> HistoryPage:
        """A page of the audited history; an empty word narrows nothing."""
        with self._store.read() as tx:
            return history_page(
                tx,
                before,
                policy=PolicyName(policy) if policy else None,
                run_id=RunId(run) if run else None,
                matter=matter,
            )

    def request(self, number: int) -> Request | None:
        """What somebody asked for, with its answer when there is one."""
        with self._store.read() as tx:
            return tx.request(number)

    def policies(self) -> tuple[PolicyName, ...]:
        with self._store.read() as tx:
            return tuple(sorted(tx.policies()))

    def _heat(
        self, tx: Transaction, name: PolicyName, newest: Sequence[Verdict], since: datetime
    ) -> tuple[HeatMap, ...]:
        """Of the monitors that look at columns, which gave these verdicts last."""

        def read(one: Verdict) -> Sequence[Verdict]:
            return tx.verdicts_page(name, one.monitor, MOST_MAPPED, start=since) or [one]

        maps = [self._fleet.heat.map(name, one, partial(read, one)) for one in newest]
        return tuple(one for one in maps if one is not None)

    def _snapshot(self, run: Run) -> Policy | None:
        """The policy that a run goes by."""
        with suppress(PolicyError):
            return parse_policy(run.policy_text, Path(run.policy_path), self._environ).policy
        return None


def _recent(tx: Transaction, name: PolicyName, newest: Verdict, since: datetime) -> list[Verdict]:
    """The monitor's verdicts from ``since`` on without their columns, or the newest one alone."""
    found = tx.verdicts_page(name, newest.monitor, MOST_VERDICTS, start=since, columns=False)
    return found or [newest]


def _looks_at_columns(policy: Policy | None, newest: Verdict) -> bool:
    """Whether the monitor does; without a policy, whether its newest verdict names some."""
    if policy is None:
        return bool(newest.features)
    return isinstance(policy.monitors.get(newest.monitor), INPUT_MONITORS)


def _slices(run: Run, policy: Policy | None) -> tuple[SliceNow, ...]:
    shadow = run.details.get("shadow", {})
    return slices_of(shadow, policy.shadow.alpha, policy.shadow.margin) if policy else ()


def _explained(tx: Transaction, run: Run) -> tuple[str, ...]:
    if run.mlflow_run_id is None:
        return ()
    told = (one for one in tx.events(run_id=run.id, limit=MOST_EVENTS) if one.kind == EXPLAINED)
    return tuple(str(name) for one in told for name in one.evidence.get("files", ()))


def _previous(tx: Transaction, policy: PolicyName, found: Sequence[Reign]) -> Version | None:
    """What the last alias move of ctrain left as the previous champion, or else what the history tells."""
    champion = tx.champion(policy)
    for intent in tx.intents(policy, limit=20):
        if intent.outcome == "done" and champion is not None and intent.new_champion == champion.version:
            return intent.new_previous
    return previous_version(found)

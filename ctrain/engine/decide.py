"""Decide: triggers and limits turn verdicts and history into decisions, each recorded with its reason.

The decision itself is pure (``ctrain.triggers.decide``), and what limits go by is gathered in
``limit_facts``. Here what was decided is committed: the decision, the claimed occurrence, the answered
request and the run that starts belong to one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import (
    Decision,
    Outcome,
    Phase,
    Request,
    RequestKind,
    Run,
    RunId,
    Suppression,
    TriggerName,
    TriggerState,
)
from ctrain.engine.conditions import clock_conditions, load_states, met_conditions, pane_conditions
from ctrain.engine.instants import floor_to
from ctrain.engine.limit_facts import counts_labels, gather_facts
from ctrain.engine.regrets import Regrets
from ctrain.engine.watch import ACTOR
from ctrain.engine.watch_memory import Mark
from ctrain.policy.triggers import Cron, Every
from ctrain.triggers.decide import decide as decide_triggers
from ctrain.triggers.schedules import Due, due_occurrence

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

LIMITS_LOOKED_AT_EVERY = timedelta(minutes=1)
"""How often a trigger that was suppressed is looked at again, without news: a limit may have passed."""


def decide(watch: Watch) -> bool:
    """Decide once more with the clock as it is; True when a run started.

    Nothing is looked at twice: without new rows, verdicts, requests or a due schedule the last
    decisions stand.
    """
    now = watch.clock.now()
    with watch.store.read() as tx:
        known = watch.decided_on is not None and watch.decided_on.facts == _facts(watch, tx, now)
        if known and watch.decided_on == _mark(watch, tx, now):
            return False
    watch.decided_on = None
    with watch.store.write() as tx:
        watch.fence(tx)
        started, mark = decide_now(watch, tx)
    watch.decided_on = mark
    return started


def decide_now(watch: Watch, tx: Transaction) -> tuple[bool, Mark]:
    """Decide inside ``tx``: whether a run started, and what to remember of it once it is committed."""
    started = decide_in(watch, tx)
    return started, _mark(watch, tx, watch.clock.now())


def _mark(watch: Watch, tx: Transaction, now: datetime) -> Mark:
    asked = tuple(request.id for request in _asked(watch, tx))
    return Mark(_facts(watch, tx, now), tx.paused(watch.name), asked)


def _facts(watch: Watch, tx: Transaction, now: datetime) -> tuple[object, ...]:
    """Everything that a decision depends on beside what people want, cheaply."""
    state = tx.ingest_state(watch.name)
    run = tx.active_run(watch.name)
    met = met_conditions(watch.policy, _states(watch, tx))
    return (
        watch.loaded.hash,
        state.next_pane_at,
        state.sequence if met or watch.suppressed or counts_labels(watch) else None,
        run.id if run else None,
        tuple(sorted((name, due.at) for name, due in due_schedules(watch, tx, now).items())),
        watch.registry_view.readable,
        met,
        floor_to(now, LIMITS_LOOKED_AT_EVERY) if watch.suppressed and run is None else None,
    )


def decide_in(watch: Watch, tx: Transaction) -> bool:
    """Decide every trigger inside ``tx`` and record it; True when a run started.

    An occurrence of a schedule is looked at once, unless a blackout holds it back: then it is due at its end.
    """
    now = watch.clock.now()
    due = due_schedules(watch, tx, now)
    requests = _asked(watch, tx)
    states = _states(watch, tx)
    regrets = Regrets.load(watch, tx, tx.champion(watch.name))
    may_fire = bool(due) or bool(met_conditions(watch.policy, states) | regrets.met())
    facts = gather_facts(watch, tx, may_fire, bool(requests))
    verdicts = {verdict.monitor: verdict for verdict in tx.latest_verdicts(watch.name)}
    decisions = decide_triggers(
        watch.policy, states, facts, due, requests, now, verdicts, regrets.decisions()
    )
    started: Run | None = None
    for position, decision in enumerate(decisions):
        if decision.outcome is Outcome.FIRED:
            request = requests[position] if position < len(requests) else None
            started = _start(watch, tx, decision, request, now)
        tx.record_decision(
            watch.name,
            watch.loaded.hash,
            decision,
            now,
            started.id if decision.outcome is Outcome.FIRED and started else None,
        )
        _count(watch, decision)
    _show(watch, decisions)
    waits = {one.trigger for one in decisions if one.suppression is Suppression.BLACKOUT}
    for name, one in due.items():
        if name not in waits:
            tx.claim_occurrence(watch.name, name, one.at)
    _answer(tx, requests, decisions, started)
    watch.suppressed = any(one.outcome is Outcome.SUPPRESSED for one in decisions[len(requests) :])
    return started is not None


def _states(watch: Watch, tx: Transaction) -> Mapping[TriggerName, TriggerState]:
    return load_states(watch, tx, {**pane_conditions(watch.policy), **clock_conditions(watch.policy)})


def _asked(watch: Watch, tx: Transaction) -> list[Request]:
    return [one for one in tx.open_requests(watch.name) if one.kind is RequestKind.TRIGGER]


def due_schedules(watch: Watch, tx: Transaction, now: datetime) -> dict[TriggerName, Due]:
    """Schedules whose moment has come and that nobody has claimed."""
    found: dict[TriggerName, Due] = {}
    for key, trigger in watch.policy.triggers.items():
        if isinstance(trigger, Cron | Every):
            name = TriggerName(key)
            since = watch.schedules_since.get(name, watch.watched_since)
            due = due_occurrence(trigger, _last_occurrence(watch, tx, name, now), since, now)
            if due is not None:
                found[name] = due
    return found


def _last_occurrence(watch: Watch, tx: Transaction, name: TriggerName, now: datetime) -> datetime | None:
    """The occurrence that was claimed last; what a clock that was ahead has claimed is still to come."""
    last = tx.last_occurrence(watch.name, name)
    return last if last is None or last <= now else tx.last_occurrence_by(watch.name, name, now)


def _start(watch: Watch, tx: Transaction, decision: Decision, request: Request | None, now: datetime) -> Run:
    """Create the run of a fired trigger; the store refuses a second active one."""
    champion = tx.champion(watch.name)
    run = Run(
        id=_next_id(watch, tx),
        policy=watch.name,
        phase=Phase.QUEUED,
        trigger=decision.trigger,
        reason=decision.reason,
        actor=request.actor if request else ACTOR,
        policy_hash=watch.loaded.hash,
        policy_text=watch.loaded.text,
        policy_path=str(watch.loaded.path),
        created_at=now,
        phase_since=now,
        champion_version=champion.version if champion else None,
        details={"request": dict(request.arguments)} if request else {},
    )
    tx.create_run(run)
    tx.append_event(
        watch.event(
            "run_queued",
            decision.reason,
            run_id=run.id,
            actor=run.actor,
            evidence={**decision.evidence, "trigger": decision.trigger, "champion": run.champion_version},
        )
    )
    watch.telemetry.log(
        "run_queued", policy=watch.name, run=run.id, trigger=decision.trigger, reason=decision.reason
    )
    return run


def _next_id(watch: Watch, tx: Transaction) -> RunId:
    """``flight-delay-7``: the policy's name and a number that people can say."""
    newest = tx.runs(watch.name, limit=1)
    number = int(newest[0].id.rpartition("-")[2]) + 1 if newest else 1
    return RunId(f"{watch.name}-{number}")


def _answer(tx: Transaction, requests: list[Request], decisions: list[Decision], started: Run | None) -> None:
    """Tell people what became of their requests to train; their decisions come first, in their order."""
    for request, decision in zip(requests, decisions, strict=False):
        if decision.outcome is Outcome.FIRED and started is not None:
            tx.answer_request(request.id, f"done: run {started.id} started")
        else:
            tx.answer_request(request.id, f"refused: {decision.reason}")


def _show(watch: Watch, decisions: list[Decision]) -> None:
    """Set the gauge that answers why nothing starts."""
    if any(one.outcome is Outcome.FIRED for one in decisions):
        reason = Outcome.FIRED.value
    else:
        held_back = (one.suppression.value for one in decisions if one.suppression is not None)
        reason = next(held_back, Outcome.NOT_MET.value)
    watch.telemetry.gauge("decision_info", 1.0, policy=watch.name, reason=reason)


def _count(watch: Watch, decision: Decision) -> None:
    if decision.outcome is Outcome.FIRED:
        watch.telemetry.count("trigger_fired_total", policy=watch.name, trigger=decision.trigger)
    elif decision.suppression is not None:
        watch.telemetry.count(
            "trigger_suppressed_total",
            policy=watch.name,
            trigger=decision.trigger,
            reason=decision.suppression.value,
        )

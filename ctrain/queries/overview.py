"""Every policy in a line, from a number of queries that does not grow with the policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ctrain.domain import Champion, Phase, PolicyName, RunId, Status, TriggerName, Version
from ctrain.queries.answers import Answer, TroubleNow
from ctrain.queries.troubles import by_gravity, in_short

if TYPE_CHECKING:
    from ctrain.domain.fleet import DecisionLine, PolicyLine, RunLine, VerdictLine
    from ctrain.ports import Transaction
    from ctrain.queries.remembered import Remembered


class Health(StrEnum):
    """How a policy is, the worst that holds."""

    OK = "ok"
    INCONCLUSIVE = "inconclusive"
    """A monitor cannot tell, or none has told anything yet."""
    BREACHED = "breached"
    TROUBLE = "trouble"
    """ctrain cannot do its work: the registry, the policy's file, a tick, or a rollback."""


@dataclass(frozen=True, slots=True)
class ActiveRun(Answer):
    id: RunId
    phase: Phase
    phase_since: datetime


@dataclass(frozen=True, slots=True)
class LastTrigger(Answer):
    """The trigger that fired last, or was suppressed last by more than a run that is under way."""

    name: TriggerName
    outcome: str
    """``fired``, or why it was suppressed."""
    reason: str
    since_at: datetime
    last_seen_at: datetime
    lasts: bool = False
    """It is suppressed still."""


@dataclass(frozen=True, slots=True)
class PolicyLineNow(Answer):
    """A policy in a line."""

    policy: PolicyName
    paused: bool
    health: Health
    why: str
    """What is wrong, in a sentence; empty while it is well."""
    champion: Version | None
    champion_since_at: datetime | None
    run: ActiveRun | None
    awaits_approval: bool
    last_trigger: LastTrigger | None
    newest_event_at: datetime | None
    """Event time of the newest row."""
    holder: str | None
    """Who watches it; None while nobody does."""
    unwatched: bool
    """Nobody does, though daemons live and it has a file, as far as they know."""
    removed_at: datetime | None
    """Since when it has no file: nobody is to watch it."""
    monitor: str | None
    """The monitor that ``FleetQueries.sparklines`` gives the values of."""
    verdict_sequence: int


@dataclass(frozen=True, slots=True)
class FleetOverview(Answer):
    """Every policy in a line, by name."""

    now: datetime
    daemons: tuple[str, ...]
    policies: tuple[PolicyLineNow, ...]
    silent: bool = False
    """The daemons live, but their leases have run out: they do not reach the database."""


Said = tuple[Health, str]
"""How a policy is, and why it is not well."""
UNHEARD: Said = (Health.INCONCLUSIVE, "no monitor has given a verdict yet")


def overview_of(
    tx: Transaction,
    now: datetime,
    daemons: tuple[str, ...],
    holders: Mapping[PolicyName, str],
    memory: Remembered[Said],
) -> FleetOverview:
    """The whole fleet as one transaction sees it; ``memory`` is of what verdicts say."""
    lines, champions = tx.policy_lines(), tx.champions()
    sequences = {one.name: one.verdict_sequence for one in lines}
    said = memory.look(sequences, lambda names: _said(tx.verdict_lines(names), names))
    runs = {one.policy: one for one in tx.run_lines()}
    troubles = by_gravity(tx.trouble_lines(), runs.values())
    decisions = {one.policy: one for one in tx.decision_lines()}
    return FleetOverview(
        now,
        daemons,
        tuple(
            _line(
                policy,
                champions.get(policy.name),
                runs.get(policy.name),
                decisions.get(policy.name),
                judge(said[policy.name], troubles.get(policy.name, ())),
                holders.get(policy.name),
                daemons,
            )
            for policy in lines
        ),
    )


def judge(said: Said, troubles: Sequence[TroubleNow]) -> Said:
    """How a policy is, and why it is not well: its gravest trouble, else what its verdicts have ``said``."""
    return (Health.TROUBLE, in_short(troubles[0])) if troubles else said


def speak(verdicts: Sequence[VerdictLine]) -> Said:
    """How a policy is by its verdicts, of which there is one at least.

    Those of the policy as it was before its last change count only until the new one has given some: a
    monitor that was taken out must not speak for ever.
    """
    current = in_force(verdicts)
    for status, health in ((Status.BREACHED, Health.BREACHED), (Status.INCONCLUSIVE, Health.INCONCLUSIVE)):
        names = sorted(one.monitor for one in current if one.status is status)
        if names:
            return health, f"{', '.join(names)}: {status.value}"
    return Health.OK, ""


def in_force(verdicts: Sequence[VerdictLine]) -> list[VerdictLine]:
    """Those of a policy's newest verdicts, of which there is one at least, that still speak for it."""
    newest = max(verdicts, key=lambda one: one.as_of).policy_hash
    return [one for one in verdicts if one.policy_hash == newest]


def _line(
    policy: PolicyLine,
    champion: Champion | None,
    run: RunLine | None,
    decision: DecisionLine | None,
    judged: Said,
    holder: str | None,
    daemons: tuple[str, ...],
) -> PolicyLineNow:
    return PolicyLineNow(
        policy=policy.name,
        paused=policy.paused,
        health=judged[0],
        why=judged[1],
        champion=champion.version if champion else None,
        champion_since_at=champion.since_at if champion else None,
        run=ActiveRun(run.id, run.phase, run.phase_since) if run else None,
        awaits_approval=run is not None and run.phase is Phase.AWAITING_APPROVAL,
        last_trigger=_trigger(decision) if decision else None,
        newest_event_at=policy.newest_event_at,
        holder=holder,
        unwatched=holder is None and bool(daemons) and policy.removed_at is None,
        removed_at=policy.removed_at,
        monitor=policy.main_monitor,
        verdict_sequence=policy.verdict_sequence,
    )


def _trigger(decision: DecisionLine) -> LastTrigger:
    outcome = decision.suppression.value if decision.suppression else decision.outcome.value
    lasts = decision.suppression is not None and decision.last_seen_at == decision.last_look_at
    seen = decision.first_seen_at, decision.last_seen_at
    return LastTrigger(decision.trigger, outcome, decision.reason, *seen, lasts=lasts)


def _said(lines: Iterable[VerdictLine], policies: Iterable[PolicyName]) -> dict[PolicyName, Said]:
    found: defaultdict[PolicyName, list[VerdictLine]] = defaultdict(list)
    for one in lines:
        found[one.policy].append(one)
    return {name: speak(found[name]) if name in found else UNHEARD for name in policies}

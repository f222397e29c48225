"""Every policy in a line, from a number of queries that does not grow with the policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ctrain.domain import Champion, MonitorName, Phase, PolicyName, RunId, Status, TriggerName, Version
from ctrain.queries.answers import Answer, TroubleNow
from ctrain.queries.troubles import by_gravity, in_short

if TYPE_CHECKING:
    from ctrain.domain.fleet import DecisionLine, PolicyLine, RunLine, VerdictLine
    from ctrain.ports import Transaction

FEW = 4
"""Up to such a part of all verdicts is read one by one; more are faster read as a whole."""


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
    monitor: str | None
    """The monitor that ``FleetQueries.sparklines`` gives the values of."""


@dataclass(frozen=True, slots=True)
class FleetOverview(Answer):
    """Every policy in a line, by name."""

    now: datetime
    daemons: tuple[str, ...]
    policies: tuple[PolicyLineNow, ...]


Seen = Mapping[tuple[PolicyName, MonitorName], "VerdictLine"]
Said = Mapping[PolicyName, tuple[Health, str]]
UNHEARD = (Health.INCONCLUSIVE, "no monitor has given a verdict yet")


class VerdictMemory:
    """What the newest verdicts say of each policy; what was there at the last look is not read again."""

    def __init__(self) -> None:
        self._known: tuple[Seen, Said] = ({}, {})

    def look(self, tx: Transaction) -> Said:
        """How each policy is that has verdicts, by these alone, and why it is not well."""
        (seen, said), times = self._known, tx.verdict_times()
        fresh = [
            (policy, monitor, as_of)
            for policy, monitor, as_of in times
            if (line := seen.get((policy, monitor))) is None or line.as_of != as_of
        ]
        if not fresh and len(times) == len(seen):
            return said
        lines = tx.verdict_lines(fresh if len(fresh) < len(times) // FEW else None)
        newest = {**seen, **{(one.policy, one.monitor): one for one in lines}}
        seen = {(policy, monitor): newest[policy, monitor] for policy, monitor, _ in times}
        said = {policy: speak(found) for policy, found in _by_policy(seen.values()).items()}
        self._known = seen, said
        return said


def overview_of(
    tx: Transaction,
    now: datetime,
    daemons: tuple[str, ...],
    holders: Mapping[PolicyName, str],
    memory: VerdictMemory,
) -> FleetOverview:
    """The whole fleet as one transaction sees it."""
    said, champions = memory.look(tx), tx.champions()
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
                judge(said.get(policy.name, UNHEARD), troubles.get(policy.name, ())),
                holders.get(policy.name),
            )
            for policy in tx.policy_lines()
        ),
    )


def judge(said: tuple[Health, str], troubles: Sequence[TroubleNow]) -> tuple[Health, str]:
    """How a policy is, and why it is not well: its gravest trouble, else what its verdicts have ``said``."""
    return (Health.TROUBLE, in_short(troubles[0])) if troubles else said


def speak(verdicts: Sequence[VerdictLine]) -> tuple[Health, str]:
    """How a policy is by its verdicts, of which there is one at least.

    Those of the policy as it was before its last change count only until the new one has given some: a
    monitor that was taken out must not speak for ever.
    """
    current = _in_force(verdicts)
    for status, health in ((Status.BREACHED, Health.BREACHED), (Status.INCONCLUSIVE, Health.INCONCLUSIVE)):
        names = sorted(one.monitor for one in current if one.status is status)
        if names:
            return health, f"{', '.join(names)}: {status.value}"
    return Health.OK, ""


def _in_force(verdicts: Sequence[VerdictLine]) -> list[VerdictLine]:
    newest = max(verdicts, key=lambda one: one.as_of).policy_hash
    return [one for one in verdicts if one.policy_hash == newest]


def _line(
    policy: PolicyLine,
    champion: Champion | None,
    run: RunLine | None,
    decision: DecisionLine | None,
    judged: tuple[Health, str],
    holder: str | None,
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
        monitor=policy.main_monitor,
    )


def _trigger(decision: DecisionLine) -> LastTrigger:
    outcome = decision.suppression.value if decision.suppression else decision.outcome.value
    lasts = decision.suppression is not None and decision.last_seen_at == decision.last_look_at
    seen = decision.first_seen_at, decision.last_seen_at
    return LastTrigger(decision.trigger, outcome, decision.reason, *seen, lasts=lasts)


def _by_policy(lines: Iterable[VerdictLine]) -> Mapping[PolicyName, list[VerdictLine]]:
    found: defaultdict[PolicyName, list[VerdictLine]] = defaultdict(list)
    for one in lines:
        found[one.policy].append(one)
    return found

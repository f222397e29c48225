"""Where policies and runs stand, read from the store alone; works while a daemon runs, or none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from ctrain.domain import Champion, Event, IngestState, NoticeStatus, Phase, PolicyName, Run, RunId, Verdict
from ctrain.domain.leases import DAEMON_LEASE, daemon_lease, leased_policy
from ctrain.engine.spending import RUNS_READ, runs_since
from ctrain.errors import InputError
from ctrain.lifecycle.alphas import RUNS_IN_A_YEAR, alphas_spent
from ctrain.lifecycle.promoted_share import promotions
from ctrain.queries.answers import (
    AliasMove,
    ChampionNow,
    Comparison,
    DataNow,
    FleetStatus,
    PhaseTime,
    PolicyStatus,
    RunDetail,
    RunNow,
    Why,
)
from ctrain.queries.heat import HeatMemory
from ctrain.queries.limits import limits_left, policy_in_force
from ctrain.queries.newest_decisions import decision_now, newest_decisions
from ctrain.queries.notes import notes_on
from ctrain.queries.overview import FleetOverview, PolicyLineNow, Said, in_force, overview_of
from ctrain.queries.remembered import Remembered
from ctrain.queries.standing import Standing, standing_of
from ctrain.queries.troubles import registry_words

if TYPE_CHECKING:
    from datetime import datetime

    from ctrain.domain.fleet import VerdictLine
    from ctrain.ports import Clock, Store, Transaction

RECENT_EVENTS = 200
SHOWN_FILES = 5
SPARK_VALUES = 30


class FleetQueries:
    """One read side for commands, pages and the demo; every answer is from one transaction."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        environ: Mapping[str, str],
        is_gone: Callable[[str], bool] = lambda _: False,
        lives: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Of a lease's holder ``is_gone`` tells that it is known to live no more, ``lives`` that it does."""
        self._is_gone, self._lives = is_gone, lives
        self._store = store
        self._clock = clock
        self._environ = environ
        self._said: Remembered[Said] = Remembered()
        self._values: Remembered[tuple[float, ...]] = Remembered()
        self.heat = HeatMemory()

    def status(self, policy: PolicyName | None = None) -> FleetStatus:
        """Where every policy stands, or the one that is named."""
        with self._store.read() as tx:
            names = _known(tx, policy)
            daemons, holders, silent = self._held(tx)
            now, standing = self._clock.now(), standing_of(tx, names)
            return FleetStatus(
                now=now,
                daemon=next(iter(daemons), None),
                policies=tuple(
                    replace(_status(tx, name, now, standing), holder=holders.get(name)) for name in names
                ),
                daemons=daemons,
                silent=silent,
            )

    def overview(self) -> FleetOverview:
        """Every policy in a line, in a time that allows for thousands."""
        with self._store.read() as tx:
            daemons, holders, silent = self._held(tx)
            overview = overview_of(tx, self._clock.now(), daemons, holders, self._said)
            return replace(overview, silent=silent)

    def sparklines(self, lines: Sequence[PolicyLineNow]) -> Mapping[PolicyName, tuple[float, ...]]:
        """The last values of what speaks for each policy, oldest first; nothing where there are none."""
        states = {one.policy: (one.verdict_sequence, one.monitor) for one in lines}
        return self._values.look(states, self._main_values)

    def runs(self, policy: PolicyName | None = None, limit: int = 20) -> tuple[RunNow, ...]:
        """The newest runs first."""
        with self._store.read() as tx:
            if policy is not None:
                _known(tx, policy)
            return tuple(_run(one) for one in tx.runs(policy, limit))

    def show(self, run_id: RunId) -> RunDetail:
        """Everything on record about a run."""
        with self._store.read() as tx:
            run = tx.run(run_id)
            if run is None:
                known = ", ".join(one.id for one in tx.runs(limit=5)) or "none yet"
                raise InputError(f"there is no run {run_id}; the newest runs: {known}")
            return _detail(tx, run)

    def why(self, policy: PolicyName) -> Why:
        """The newest decision about each trigger, and what limits and data say."""
        with self._store.read() as tx:
            _known(tx, policy)
            now, (daemons, holders, _) = self._clock.now(), self._held(tx)
            daemon = holders.get(policy)
            status = _status(tx, policy, now, standing_of(tx, [policy]))
            runs = tx.runs(policy, limit=RUNS_READ)
            in_force = policy_in_force(tx.policy_record(policy), runs, self._environ)
            budget = in_force.limits.budget if in_force else None
            counted = runs_since(tx, policy, now - budget.per) if budget else runs
            limits = limits_left(in_force, counted, tx.paused(policy), now)
            return Why(
                policy=policy,
                now=now,
                daemon=daemon,
                champion=status.champion,
                decisions=newest_decisions(tx, policy, in_force, runs, limits),
                verdicts=status.verdicts,
                limits=limits,
                notes=notes_on(status, daemon, daemons, now),
                alpha_spent=status.alpha_spent,
                shadows=status.shadows,
                promoted_undecided=status.promoted_undecided,
            )

    def _main_values(self, policies: Sequence[PolicyName]) -> dict[PolicyName, tuple[float, ...]]:
        with self._store.read() as tx:
            found = tx.main_values(policies, SPARK_VALUES)
        return {name: tuple(one for one in found.get(name, ()) if one is not None) for name in policies}

    def _held(self, tx: Transaction) -> tuple[tuple[str, ...], dict[PolicyName, str], bool]:
        """The daemons that live, who holds which policy, and whether they have let their leases run out."""
        now = tx.database_now()
        held = [one for one in tx.live_leases(now) if not self._is_gone(one.holder)]
        daemons = tuple(one.holder for one in held if one.name == daemon_lease(one.holder))
        policies = ((leased_policy(one.name), one.holder) for one in held)
        holders = {name: holder for name, holder in policies if name is not None}
        if daemons:
            return daemons, holders, False
        silent = tuple(one.holder for one in tx.run_out_leases(DAEMON_LEASE, now) if self._lives(one.holder))
        return silent, holders, bool(silent)


def _known(tx: Transaction, policy: PolicyName | None) -> list[PolicyName]:
    names = sorted(tx.policies())
    if policy is None:
        return names
    if policy not in names:
        raise InputError(f"there is no policy {policy} here; known: {', '.join(names) or 'none yet'}")
    return [policy]


def _status(tx: Transaction, policy: PolicyName, now: datetime, standing: Standing) -> PolicyStatus:
    run, record = tx.active_run(policy), tx.policy_record(policy)
    decisions = tx.decisions(policy, limit=1)
    champion = tx.champion(policy)
    events = tx.events(policy, limit=RECENT_EVENTS)
    under_way = standing.troubles.get(policy, ())
    of_a_year = tx.runs(policy, limit=RUNS_IN_A_YEAR)
    spent, good = alphas_spent(of_a_year, now), promotions(of_a_year, now)
    return PolicyStatus(
        policy=policy,
        paused=tx.paused(policy),
        champion=_champion(champion) if champion else None,
        run=_run(run) if run else None,
        verdicts=_verdicts(tx, policy, standing.verdicts.get(policy, ())),
        data=_data(tx.ingest_state(policy), events),
        last_decision=decision_now(*decisions[0]) if decisions else None,
        open_requests=len(tx.open_requests(policy)),
        registry_trouble=registry_words(under_way),
        alpha_spent=spent.total,
        shadows=spent.shadows,
        promoted_undecided=spent.undecided,
        models_trained=good.trained,
        models_promoted=good.promoted,
        troubles=under_way,
        removed_at=record.removed_at if record else None,
        **_notices(tx, policy, standing.notices.get(policy, {})),
    )


def _verdicts(tx: Transaction, policy: PolicyName, lines: Sequence[VerdictLine]) -> tuple[Verdict, ...]:
    """By monitor, without those of monitors that were taken out of the policy."""
    standing = {one.monitor for one in in_force(lines)} if lines else set()
    found = (one for one in tx.latest_verdicts(policy) if one.monitor in standing)
    return tuple(sorted(found, key=lambda one: one.monitor))


def _notices(tx: Transaction, policy: PolicyName, counts: Mapping[NoticeStatus, int]) -> dict[str, Any]:
    """What of the outbox a person should know."""
    troubled = tx.troubled_notices(policy, limit=1) if counts else []
    return {
        "notices_pending": counts.get(NoticeStatus.PENDING, 0),
        "notices_dead": counts.get(NoticeStatus.DEAD, 0),
        "notices_error": f"channel {troubled[0].channel}: {troubled[0].last_error}" if troubled else None,
    }


def _champion(champion: Champion) -> ChampionNow:
    return ChampionNow(champion.version, champion.since_at, champion.origin, champion.cut_off_at)


def _run(run: Run) -> RunNow:
    return RunNow(
        id=run.id,
        policy=run.policy,
        phase=run.phase,
        phase_since=run.phase_since,
        trigger=run.trigger,
        reason=run.reason,
        actor=run.actor,
        created_at=run.created_at,
        ended_at=run.ended_at,
        champion_version=run.champion_version,
        challenger_version=run.challenger_version,
        outcome_reason=run.outcome_reason,
    )


def rejected_files(events: Iterable[Event]) -> tuple[str, ...]:
    """The files that were set aside last and why, of events of a policy, the newest first."""
    return tuple(islice((one.message for one in events if one.kind == "file_rejected"), SHOWN_FILES))


def _data(state: IngestState, events: list[Event]) -> DataNow:
    coverage = min(state.labels_total / state.rows_total, 1.0) if state.rows_total else None
    return DataNow(
        watermark=state.watermark,
        newest_event_at=state.newest_event_at,
        last_arrival_at=state.last_arrival_at,
        rows=state.rows_total,
        labels=state.labels_total,
        label_coverage=coverage,
        late=state.late_total,
        duplicates=state.duplicates_total,
        rejected=dict(state.rejected_total),
        rejected_files=rejected_files(events),
    )


def _detail(tx: Transaction, run: Run) -> RunDetail:
    moves = [one for one in tx.intents(run.policy, limit=RECENT_EVENTS) if one.run_id == run.id]
    return RunDetail(
        run=_run(run),
        policy_hash=run.policy_hash,
        mlflow_run_id=run.mlflow_run_id,
        phases=_phases(run, tx.events(run.policy, run.id, limit=RECENT_EVENTS)),
        training=run.details.get("training", {}),
        evaluation=run.details.get("evaluation", {}),
        comparisons=_comparisons(tx, run),
        alias_moves=tuple(
            AliasMove(
                one.kind,
                one.created_at,
                one.expected_champion,
                one.new_champion,
                one.new_previous,
                one.outcome or "open",
            )
            for one in reversed(moves)
        ),
        probation=run.details.get("probation", {}),
        rollback=run.details.get("rollback", {}),
        approval=run.details.get("approval", {}),
    )


def _phases(run: Run, events: list[Event]) -> tuple[PhaseTime, ...]:
    """The phases in order, each until the next begins."""
    kinds = {f"run_{phase.value.lower()}": phase for phase in Phase}
    entered = [(kinds[event.kind], event) for event in reversed(events) if event.kind in kinds]
    following = [event.at for _, event in entered[1:]]
    ends = [*following, run.ended_at]
    return tuple(
        PhaseTime(phase, event.at, end, event.message)
        for (phase, event), end in zip(entered, ends, strict=False)
    )


def _comparisons(tx: Transaction, run: Run) -> tuple[Comparison, ...]:
    points: dict[Phase, list[Comparison]] = {}
    for phase, at, point in tx.comparison_points(run.id):
        looks = points.setdefault(phase, [])
        looks.append(Comparison(phase, len(looks) + 1, at, point))
    return tuple(looks[-1] for looks in points.values())

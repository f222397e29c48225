"""Observe: once per closed pane, monitors turn windows into verdicts and triggers fold them.

A pane closes at the watermark, so what a pane shows does not depend on when a tick happened: a
backlog is replayed pane by pane, and a restart goes on at the first pane that was not committed.
While the champion cannot be read no pane is judged: nobody knows whose rows they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import IngestState, Json, MonitorName, Status, TriggerName, Verdict
from ctrain.engine.assess import WITH_MEMORY, assess
from ctrain.engine.conditions import (
    Conditions,
    clock_monitors,
    load_states,
    met_conditions,
    pane_conditions,
    save_states,
)
from ctrain.engine.decide import decide_in, decide_now
from ctrain.engine.instants import ceil_to, floor_to
from ctrain.engine.looks import is_look, seldom_looking
from ctrain.engine.panes import first_row_at, pane_tree
from ctrain.engine.regrets import Regrets
from ctrain.engine.sight import Sight, look
from ctrain.engine.verdict_gauges import show_verdict
from ctrain.triggers.conditions import fold_condition

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.engine.watch_memory import States
    from ctrain.ports import Transaction

PANES_PER_TICK = 48

Memories = dict[MonitorName, Json | None]


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of one look at the panes."""

    panes: int = 0
    waiting: bool = False
    more: bool = False
    counting: bool = False
    """Panes were counted on a new grid, and more are to be counted before any is judged."""
    started: bool = False
    """A run started."""

    @property
    def unfinished(self) -> bool:
        """True when there is something that the next look can judge, count or move on."""
        return self.more or self.counting or self.started


def observe(watch: Watch) -> Observed:
    """Judge every pane that the watermark has closed since the last commit."""
    _show_or_hide(watch)
    if not watch.registry_view.readable:
        return Observed()
    with watch.store.read() as tx:
        state = tx.ingest_state(watch.name)
        champion = tx.champion(watch.name)
    first = _next_pane(watch, state)
    if first is None or state.watermark is None:
        return Observed()
    pane = watch.policy.data.pane
    closed = max((state.watermark - first) // pane, 0)
    panes = min(closed, PANES_PER_TICK)
    if panes == 0:
        return Observed()
    sight = look(watch, champion, first + pane, first + pane * panes)
    if sight.waiting:
        return Observed(waiting=True, counting=sight.counting)
    started = _commit(watch, sight, [first + pane * (index + 1) for index in range(panes)])
    return Observed(panes=panes, more=closed > panes, started=started)


def _show_or_hide(watch: Watch) -> None:
    """Show monitors as INCONCLUSIVE while the champion cannot be read, then their newest verdicts again."""
    view = watch.registry_view
    if view.readable != view.hidden:
        return
    view.hidden = not view.readable
    with watch.store.read() as tx:
        verdicts = [one for one in tx.latest_verdicts(watch.name) if one.monitor in watch.policy.monitors]
    for verdict in verdicts:
        unknown = replace(verdict, status=Status.INCONCLUSIVE)
        show_verdict(watch, verdict if view.readable else unknown)


def _next_pane(watch: Watch, state: IngestState) -> datetime | None:
    """Start of the earliest pane that has not been judged; None before there is a row."""
    pane = watch.policy.data.pane
    if state.next_pane_at is not None:
        return ceil_to(state.next_pane_at, pane)
    if state.watermark is None:
        return None
    first = first_row_at(watch, state)
    return None if first is None else floor_to(first, pane)


@dataclass(slots=True)
class _Judging:
    """What is carried from pane to pane while a stretch of them is judged inside one transaction."""

    watch: Watch
    tx: Transaction
    sight: Sight
    statuses: dict[MonitorName, Status]
    memories: Memories
    conditions: Conditions
    states: States
    regrets: Regrets
    newest: list[Verdict] = field(default_factory=list)
    """Those of the pane that was judged last."""
    unwritten: list[Verdict] = field(default_factory=list)

    @classmethod
    def begin(cls, watch: Watch, tx: Transaction, sight: Sight) -> _Judging:
        """As the last commit left it."""
        conditions = pane_conditions(watch.policy)
        return cls(
            watch,
            tx,
            sight,
            statuses=_clock_statuses(watch, tx) | _standing_statuses(watch, tx, sight),
            memories=_load_memories(watch, tx, sight),
            conditions=conditions,
            states=load_states(watch, tx, conditions),
            regrets=Regrets.load(watch, tx, sight.champion),
        )

    def judge(self, end: datetime) -> frozenset[TriggerName]:
        """Judge the pane that ends at ``end``; the triggers that are met after it."""
        self.newest = _judge_pane(self.watch, self.sight, end, self.memories)
        self.unwritten += self.newest
        self.statuses.update({verdict.monitor: verdict.status for verdict in self.newest})
        for name, condition in self.conditions.items():
            self.states[name] = fold_condition(condition, self.statuses, self.states[name], end)
        self.regrets.fold(self.sight, end)
        return met_conditions(self.watch.policy, self.states) | self.regrets.met()

    def write(self) -> None:
        """Write what decisions look at, as of the pane that was judged last."""
        self.tx.record_verdicts(self.watch.name, self.watch.loaded.hash, self.unwritten)
        self.unwritten = []
        save_states(self.watch, self.tx, self.states)
        self.regrets.save(self.tx)


def _commit(watch: Watch, sight: Sight, ends: list[datetime]) -> bool:
    """Judge the panes in order inside one transaction; True when a run started; at most one does.

    What is met is decided on when it is first met in the stretch, and everything at its end: limits are
    checked by the clock, which stands still here, so another look at the same conditions could say nothing
    else.
    """
    started, decided = False, frozenset[TriggerName]()
    watch.decided_on = None
    with watch.store.write() as tx:
        watch.fence(tx)
        judging = _Judging.begin(watch, tx, sight)
        for end in ends:
            met = judging.judge(end)
            if not decided.issuperset(met):
                decided |= met
                judging.write()
                started |= decide_in(watch, tx)
        judging.write()
        _save_memories(watch, tx, sight, judging.memories)
        pane_tree(watch).save(tx)
        tx.save_ingest_state(watch.name, replace(tx.ingest_state(watch.name), next_pane_at=ends[-1]))
        started_last, mark = decide_now(watch, tx)
    watch.decided_on = mark
    pane_tree(watch).saved()
    for verdict in judging.newest:
        show_verdict(watch, verdict)
    return started or started_last


def _clock_statuses(watch: Watch, tx: Transaction) -> dict[MonitorName, Status]:
    """Of the monitors that follow the clock; every other gives a verdict in each pane."""
    names = clock_monitors(watch.policy)
    return {name: one.status for name in names for one in tx.verdicts(watch.name, name, limit=1)}


def _standing_statuses(watch: Watch, tx: Transaction, sight: Sight) -> dict[MonitorName, Status]:
    """Of the monitors that do not look at every pane: what they said of this champion last."""
    version = sight.champion.version if sight.champion else None
    return {
        name: one.status
        for name in map(MonitorName, seldom_looking(watch.policy))
        for one in tx.verdicts(watch.name, name, limit=1)
        if one.model_version == version
    }


def _load_memories(watch: Watch, tx: Transaction, sight: Sight) -> Memories:
    """What the monitors remember of the champion in force."""
    if sight.champion is None:
        return {}
    version = sight.champion.version
    names = [MonitorName(key) for key, one in watch.policy.monitors.items() if isinstance(one, WITH_MEMORY)]
    return {name: tx.detector(watch.name, name, version) for name in names}


def _save_memories(watch: Watch, tx: Transaction, sight: Sight, memories: Memories) -> None:
    for name, state in memories.items():
        if sight.champion is not None and state is not None:
            tx.save_detector(watch.name, name, sight.champion.version, state)


def _judge_pane(watch: Watch, sight: Sight, as_of: datetime, memories: Memories) -> list[Verdict]:
    verdicts = []
    for key, monitor in watch.policy.monitors.items():
        if not is_look(monitor, as_of):
            continue
        name = MonitorName(key)
        assessed = assess(watch, sight, name, monitor, as_of, memories.get(name))
        if assessed is None:
            continue
        if assessed.memory is not None:
            memories[name] = assessed.memory
        verdicts.append(assessed.verdict)
    return verdicts

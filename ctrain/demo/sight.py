"""What the demo sees of the daemon's work: the runs, the verdicts and the history in its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctrain.demo.home import POLICY_NAME
from ctrain.domain import Event, MonitorName, Phase, PolicyName, Run, RunId, Status, Verdict, Version

if TYPE_CHECKING:
    from ctrain.ports import Store, Transaction

POLICY = PolicyName(POLICY_NAME)
MOST_RUNS = 100
MOST_EVENTS = 10_000
VERDICTS_OF_A_STEP = 200


@dataclass(frozen=True, slots=True)
class Sight:
    """The state of the policy once the daemon is quiet."""

    champion: Version | None
    runs: Sequence[Run]
    """Newest first."""
    verdicts: Sequence[Verdict]
    events: Sequence[Event]
    """Oldest first, those that were not seen before."""
    blocks: int = 0
    """Blocks that the active comparison has folded."""
    grounds: Mapping[RunId, Sequence[Verdict]] = field(default_factory=dict)
    """What the monitors saw when they started a run, for the runs among ``events``."""


class Watcher:
    """Reads the daemon's database; every event is seen once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events_seen = 0

    def look(self) -> Sight:
        """Return what is to be seen now, with the events since the look before."""
        with self._store.read() as tx:
            champion = tx.champion(POLICY)
            runs = tx.runs(POLICY, limit=MOST_RUNS)
            verdicts = tx.latest_verdicts(POLICY)
            history = tx.events(POLICY, limit=MOST_EVENTS)
            new = history[: len(history) - self._events_seen][::-1]
            started = {event.run_id: event for event in new if event.kind == "run_queued" and event.run_id}
            grounds = {run_id: _grounds(tx, event) for run_id, event in started.items()}
        self._events_seen = len(history)
        return Sight(
            champion=champion.version if champion else None,
            runs=runs,
            verdicts=sorted(verdicts, key=lambda verdict: verdict.monitor),
            events=new,
            blocks=_blocks(runs),
            grounds={run_id: verdicts for run_id, verdicts in grounds.items() if verdicts},
        )

    def starting(self) -> bool:
        """True while a run is queued: it will take its rows at the next tick."""
        with self._store.read() as tx:
            run = tx.active_run(POLICY)
        return run is not None and run.phase is Phase.QUEUED


def _grounds(tx: Transaction, event: Event) -> list[Verdict]:
    """Return the breached verdicts of the pane that started the run, where monitors started it."""
    as_of = event.evidence.get("as_of")
    return [
        verdict
        for monitor in event.evidence.get("monitors", {})
        for verdict in tx.verdicts(POLICY, MonitorName(monitor), limit=VERDICTS_OF_A_STEP)
        if verdict.as_of.isoformat() == as_of and verdict.status is Status.BREACHED
    ]


def _blocks(runs: Sequence[Run]) -> int:
    for run in runs:
        if not run.phase.ended:
            found = run.details.get(run.phase.value.lower().replace("shadowing", "shadow"), {})
            return int(found.get("state", {}).get("blocks", 0))
    return 0

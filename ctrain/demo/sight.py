"""What the demo sees of the daemon's work: the runs, the verdicts and the history in its database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.demo.home import POLICY_NAME
from ctrain.domain import Event, Phase, PolicyName, Run, Verdict, Version

if TYPE_CHECKING:
    from ctrain.ports import Store

POLICY = PolicyName(POLICY_NAME)
MOST_RUNS = 100
MOST_EVENTS = 10_000


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
        self._events_seen = len(history)
        return Sight(
            champion=champion.version if champion else None,
            runs=runs,
            verdicts=sorted(verdicts, key=lambda verdict: verdict.monitor),
            events=new,
            blocks=_blocks(runs),
        )

    def starting(self) -> bool:
        """True while a run is queued: it will take its rows at the next tick."""
        with self._store.read() as tx:
            run = tx.active_run(POLICY)
        return run is not None and run.phase is Phase.QUEUED


def _blocks(runs: Sequence[Run]) -> int:
    for run in runs:
        if not run.phase.ended:
            found = run.details.get(run.phase.value.lower().replace("shadowing", "shadow"), {})
            return int(found.get("state", {}).get("blocks", 0))
    return 0

"""A policy under watch: the policy and the ports that one tick of it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ctrain.domain import (
    ChampionRows,
    Event,
    Json,
    MetricQuery,
    MonitorName,
    Phase,
    PolicyName,
    Run,
    RunId,
    TriggerName,
    Version,
)
from ctrain.engine.pace import Pace
from ctrain.engine.profile_memory import ProfileMemory
from ctrain.engine.reading import TickReads
from ctrain.engine.watch_memory import (
    ClockStates,
    InForce,
    LastYear,
    Mark,
    OlderRuns,
    RegistryView,
    Rest,
    VariabilityKey,
)
from ctrain.errors import CtrainError, PermanentError
from ctrain.settings import Retention
from ctrain.triggers.blackout import blackout_until

if TYPE_CHECKING:
    from ctrain.engine.arrivals import PaneArrivals
    from ctrain.engine.pane_tree import PaneTree
    from ctrain.engine.seen_values import SeenValues
    from ctrain.engine.segment_counts import PaneSegments
    from ctrain.policy.data import Aliases
    from ctrain.policy.files import LoadedPolicy
    from ctrain.policy.models import Policy
    from ctrain.ports import (
        Analyst,
        Clock,
        Launcher,
        MetricServer,
        PaneCounter,
        ReferenceFile,
        Registry,
        RowLog,
        Scorer,
        Source,
        Store,
        Telemetry,
        Timer,
        Transaction,
        Workspace,
    )
    from ctrain.stats.reference import Reference, Variability

ACTOR = "ctrain"
UNUSABLE = "the policy that the run began with cannot be used any more"


@dataclass(slots=True)
class Watch:
    """Everything one tick needs. State that must survive a crash lives in the store, not here."""

    loaded: LoadedPolicy
    store: Store
    registry: Registry
    launcher: Launcher
    scorer: Scorer
    workspace: Workspace
    telemetry: Telemetry
    clock: Clock
    timer: Timer
    row_log: RowLog
    rows_source: Source
    labels_source: Source | None
    metric_server: MetricServer
    analyst: Analyst
    parse_snapshot: Callable[[str, str], LoadedPolicy]
    """Policy of a run from its stored text and path."""

    # What this daemon is to do with the policy.
    lease: tuple[str, int] | None = None
    """Name and fencing token; every write transaction proves that we still hold it."""
    watched_since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """When this policy was first seen."""
    schedules_since: Mapping[TriggerName, datetime] = field(default_factory=dict)
    """From when schedules count that were not seen as early as the policy."""
    present_policy: LoadedPolicy | None = None
    """The policy in force, where ``loaded`` is that of a run."""
    redact: Callable[[str], str] = str
    """Takes the secrets of the environment out of what goes on record."""
    retention: Retention = field(default_factory=Retention)
    """How long the store keeps what was judged and decided."""
    forgets: bool = True
    """What was judged long ago is removed; where all is told at the end, nothing is."""
    may_rest: bool = False
    """Between quiet ticks only arrivals and requests are looked for; on real time alone."""
    scores_early: bool = False
    """Rows are scored before their labels come: fewer jobs, and more rows where few ever get one."""
    registry_poll_seconds: float = 30.0
    """Real seconds between two looks at the champion alias."""
    pane_counter: PaneCounter | None = None
    """Counts the panes of large windows on a cluster; None: all are counted here."""
    reference_file: ReferenceFile | None = None
    """The file that the policy's reference is made from, where it names one."""
    profile_memory: ProfileMemory = field(default_factory=ProfileMemory)
    """Room for profiles of panes in memory, shared with the other policies of the daemon."""
    pace: Pace = field(default_factory=Pace)
    """How long what has come may wait for more, shared with the other policies of the daemon."""

    # What was found at the last tick, by which the next one knows what is new.
    registry_view: RegistryView = field(default_factory=RegistryView)
    decided_on: Mark | None = None
    """What the last decisions were made on; nothing is decided twice on the same facts."""
    suppressed: bool = True
    """The last decisions suppressed a trigger; after a start nobody knows."""
    rest: Rest | None = None
    """Set while nothing is looked at but what has come."""
    behind: bool = False
    """True while the sources hold more than has been read: silence is not the absence of data."""
    clock_renewed: bool = False
    """The verdicts of monitors that follow the clock are not those of the policy before its last change."""
    clock_states: ClockStates | None = None
    row_log_in_doubt: bool = False
    """A commit of rows, labels or scores failed: it may have been made all the same."""
    takes_apart: bool = False
    """Labels and rows could not be committed together: each is committed by itself until rows have been."""
    moves_begun: set[str] = field(default_factory=set)
    """Alias moves whose intent was recorded here; any other that is open was found half done."""
    retry_at: dict[str, float] = field(default_factory=dict)
    """Real seconds before which a failed attempt is not repeated."""
    failures: dict[str, int] = field(default_factory=dict)
    """Failed attempts in a row by key, until one succeeds."""
    snapshots: dict[str, LoadedPolicy] = field(default_factory=dict)
    """Policies that runs were started with, by their hash."""
    unusable: set[RunId] = field(default_factory=set)
    """Runs whose policy cannot be used any more, and that were told of."""

    # What this daemon has said or done already.
    told: set[tuple[RunId, Phase]] = field(default_factory=set)
    """Runs and the phases of theirs that the registry has been told."""
    explained: set[RunId] = field(default_factory=set)
    """Runs of which nothing is left to be pictured."""
    retired_on: datetime | None = None
    """The day of events on which old rows were removed last."""
    forgotten_on: datetime | None = None
    """The day on which old verdicts and decisions were forgotten last, all that there were."""

    # Questions under way to servers and children.
    metric_queries: dict[MonitorName, MetricQuery] = field(default_factory=dict)
    """Questions to metrics servers that are under way."""
    metrics_asked_at: dict[MonitorName, datetime] = field(default_factory=dict)
    """When each metric was asked for last."""
    analyses: set[str] = field(default_factory=set)
    """Keys of what the analyst was asked for panes."""

    # What the store, the row log or the workspace would tell again, kept to save time.
    references: dict[Version, Reference] = field(default_factory=dict)
    """The decoded reference in force."""
    in_force: InForce | None = None
    panes: PaneTree | None = None
    """Profiles of closed panes, and of stretches of them."""
    variabilities: dict[VariabilityKey, Variability] = field(default_factory=dict)
    """How much windows inside the sliding reference in force differ."""
    first_row_at: datetime | None = None
    """Event time of the earliest punctual row; fixed once a pane has closed."""
    segment_counts: dict[MonitorName, PaneSegments] = field(default_factory=dict)
    """Rows of closed panes by segment, for monitors that count them."""
    seen: dict[str, SeenValues] = field(default_factory=dict)
    """Values of the columns by which rows are counted, as of the last look."""
    arrivals: PaneArrivals | None = None
    """How the rows of closed panes arrived, for monitors of quality."""
    champion_rows: dict[tuple[str, tuple[str, ...]], ChampionRows] = field(default_factory=dict)
    """Samples of what the champion was trained on, by where they are kept and their features."""
    last_year: LastYear | None = None
    older_runs: OlderRuns | None = None

    reads: TickReads = field(init=False)
    """The same store; remembers during a tick what it was asked."""

    def __post_init__(self) -> None:
        self.reads = self.store if isinstance(self.store, TickReads) else TickReads(self.store)
        self.store = self.reads

    @property
    def policy(self) -> Policy:
        return self.loaded.policy

    @property
    def present(self) -> LoadedPolicy:
        """The policy in force, also under that of a run."""
        return self.present_policy or self.loaded

    @property
    def name(self) -> PolicyName:
        return PolicyName(self.loaded.policy.policy)

    def for_run(self, run: Run) -> Watch:
        """The same watch under the policy that the run was started with, but for the names of the aliases.

        Those say which version production reads, and the old ones may be another policy's by now.

        Raises PermanentError when that policy cannot be used any more: a variable that it names may be gone.
        """
        if run.policy_hash == self.loaded.hash:
            return self
        if run.policy_hash not in self.snapshots:
            try:
                snapshot = self.parse_snapshot(run.policy_text, run.policy_path)
            except CtrainError as error:
                raise PermanentError(f"{UNUSABLE}: {error}") from error
            self.snapshots[run.policy_hash] = _with_aliases(snapshot, self.present.policy.model.aliases)
        return replace(self, loaded=self.snapshots[run.policy_hash], present_policy=self.present)

    def blackout_until(self) -> datetime | None:
        """When the blackout of the present ends; None: there is none."""
        return blackout_until(self.policy.limits.blackout, self.clock.now())

    def fence(self, tx: Transaction) -> None:
        """Raise StateConflict when another daemon has taken over."""
        if self.lease is not None:
            tx.require_token(*self.lease)

    def event(
        self,
        kind: str,
        message: str,
        *,
        run_id: RunId | None = None,
        actor: str = ACTOR,
        evidence: Json | None = None,
        at: datetime | None = None,
    ) -> Event:
        """An event of this policy, stamped with the policy's clock."""
        return Event(
            policy=self.name,
            kind=kind,
            at=at or self.clock.now(),
            actor=actor,
            message=self.redact(message),
            run_id=run_id,
            policy_hash=self.loaded.hash,
            evidence=redacted(evidence or {}, self.redact),
        )


def _with_aliases(snapshot: LoadedPolicy, aliases: Aliases) -> LoadedPolicy:
    model = snapshot.policy.model.model_copy(update={"aliases": aliases})
    return replace(snapshot, policy=snapshot.policy.model_copy(update={"model": model}))


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """The value with the secrets of every text in it taken out."""
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {key: redacted(one, redact) for key, one in value.items()}
        case list() | tuple():
            return [redacted(one, redact) for one in value]
        case _:
            return value


def score_column(version: Version) -> str:
    """Name of the column that holds a version's scores in what the row log returns."""
    return f"score:{version}"

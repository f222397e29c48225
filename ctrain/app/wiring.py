"""The one place where everything is wired: settings and policies in, ports and watches out."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.app.leftovers import parse_snapshot
from ctrain.app.telling import told_channels
from ctrain.clocks import RealTimer, StreamClock, open_clock
from ctrain.domain import PolicyName
from ctrain.engine.condition_meanings import note_conditions
from ctrain.engine.notice_delivery import ChannelBook
from ctrain.engine.noticed_store import NoticedStore
from ctrain.engine.pace import Pace
from ctrain.engine.profile_memory import DAEMON_BYTES, ProfileMemory
from ctrain.engine.schedule_starts import note_schedules
from ctrain.engine.watch import Watch
from ctrain.errors import InputError
from ctrain.policy.files import policy_identity
from ctrain.policy.main_monitor import main_monitor
from ctrain.promql import PromqlServer
from ctrain.sources.push_contract import SpoolPlaces, contract_of

if TYPE_CHECKING:
    from ctrain.launchers.dask_cluster import DaskClusters
    from ctrain.policy.loaded import LoadedPolicy
    from ctrain.policy.models import Policy
    from ctrain.ports import (
        Analyst,
        Clock,
        Launcher,
        MetricServer,
        Notifier,
        PaneCounter,
        Registry,
        RowLog,
        RowLogs,
        Scorer,
        Sources,
        Store,
        Telemetry,
        Timer,
        Workspace,
    )
    from ctrain.settings import Settings
    from ctrain.telemetry import PrometheusTelemetry


@dataclass(frozen=True, slots=True)
class Shell:
    """The adapters around the engine; a test replaces one with ``dataclasses.replace``."""

    settings: Settings
    store: Store
    registry: Registry
    launcher: Launcher
    scorer: Scorer
    analyst: Analyst
    workspace: Workspace
    row_logs: RowLogs
    sources: Sources
    telemetry: Telemetry
    clock: Clock
    timer: Timer
    metric_server: MetricServer = field(default_factory=PromqlServer)
    profile_memory: ProfileMemory = field(default_factory=ProfileMemory)
    pace: Pace = field(default_factory=Pace)
    notifier: Notifier | None = None
    """None: real channels, once a daemon has something to tell."""
    clusters: DaskClusters | None = None
    """Where policies train, score and count that ask for it; None: nowhere."""
    channels: ChannelBook = field(default_factory=ChannelBook)
    """Of the policies that are watched."""


def watch_policy(shell: Shell, loaded: LoadedPolicy, lease: tuple[str, int] | None) -> Watch:
    """The policy with the ports that its ticks need; registers it in the store.

    Raises StateConflict when another model, task, id or event time goes by the policy's name, or another
    daemon holds it.
    """
    policy = loaded.policy
    name = PolicyName(policy.policy)
    now = shell.clock.now()
    with shell.store.write() as tx:
        if lease is not None:
            tx.require_token(*lease)
        identity, speaks = policy_identity(policy), main_monitor(policy)
        tx.save_policy(name, loaded.hash, str(loaded.path), identity, now, speaks)
        record = tx.policy_record(name)
        since = record.registered_at if record else now
        schedules = note_schedules(tx, policy, since, now)
        note_conditions(tx, policy)
    SpoolPlaces(shell.settings.push_folder).open(contract_of(policy))
    row_log = shell.row_logs.open(name, policy.data, policy.model.task)
    row_log.sweep(lambda: _confirm(shell.store, lease))
    return replace(
        _watch(shell, loaded, row_log, lease, since),
        schedules_since=schedules,
        store=telling_store(shell, policy),
        pane_counter=_pane_counter(shell, policy),
    )


def _confirm(store: Store, lease: tuple[str, int] | None) -> None:
    """Raise StateConflict when another daemon has the policy by now: its files are no orphans."""
    if lease is not None:
        with store.write() as tx:
            tx.require_token(*lease)


def look_on(shell: Shell, loaded: LoadedPolicy) -> Watch:
    """The policy with ports to read with: unlike one that is watched, it registers and sweeps nothing."""
    policy = loaded.policy
    row_log = shell.row_logs.open(PolicyName(policy.policy), policy.data, policy.model.task)
    return _watch(shell, loaded, row_log, None, shell.clock.now())


def telling_store(shell: Shell, policy: Policy) -> Store:
    """The store, whose events also go to the policy's channels."""
    channels = told_channels(policy, shell.clock)
    shell.channels.take(PolicyName(policy.policy), channels)
    return NoticedStore(shell.store, channels, policy.model.name) if channels else shell.store


def _watch(
    shell: Shell, loaded: LoadedPolicy, row_log: RowLog, lease: tuple[str, int] | None, since: datetime
) -> Watch:
    from ctrain.telemetry.logs import Redactor

    policy = loaded.policy
    on_stream = isinstance(shell.clock, StreamClock)
    return Watch(
        loaded=loaded,
        store=shell.store,
        registry=shell.registry,
        launcher=shell.launcher,
        scorer=shell.scorer,
        analyst=shell.analyst,
        workspace=shell.workspace,
        telemetry=shell.telemetry,
        clock=shell.clock,
        timer=shell.timer,
        row_log=row_log,
        rows_source=shell.sources.open_rows(policy, loaded.folder),
        labels_source=shell.sources.open_labels(policy, loaded.folder),
        reference_file=shell.sources.open_reference(policy, loaded.folder),
        metric_server=shell.metric_server,
        parse_snapshot=parse_snapshot,
        lease=lease,
        registry_poll_seconds=0.0 if on_stream else shell.settings.registry_poll.total_seconds(),
        watched_since=since,
        may_rest=not on_stream,
        redact=Redactor(os.environ, policy.train.env).redact,
        profile_memory=shell.profile_memory,
        pace=shell.pace,
        retention=shell.settings.retention,
    )


def _pane_counter(shell: Shell, policy: Policy) -> PaneCounter | None:
    """Where the panes of large windows are counted; None: here."""
    launcher = policy.train.launcher
    if launcher.type != "dask" or shell.clusters is None:
        return None
    from ctrain.app.cluster_panes import ClusterPanes, RowPlace

    name = PolicyName(policy.policy)
    place = RowPlace(
        rows_folder=shell.settings.rows_folder,
        scratch=shell.settings.runs_folder / f"panes-{name}",
        policy=name,
        data=policy.data,
        task=policy.model.task,
    )
    return ClusterPanes(shell.clusters.at(launcher.address or ""), shell.store, place, shell.timer)


def open_database(settings: Settings) -> Store:
    """The store of the home, for commands: created when absent, migrated to this version."""
    from ctrain.store import open_store
    from ctrain.store.private import make_private_folder

    make_private_folder(settings.home)
    if not os.access(settings.home, os.W_OK | os.X_OK):
        raise InputError(f"--home {settings.home}: this user may not write there")
    return open_store(settings.database_url)


def open_existing_database(settings: Settings) -> Store:
    """The store of a home that a daemon has used; raises InputError when there is none."""
    from ctrain.store import open_store

    try:
        return open_store(settings.database_url, create=False)
    except InputError as error:
        if settings.home.exists():
            raise
        raise InputError(
            f"{settings.home}: no ctrain home here; start `ctrain run` first, or name it with --home"
        ) from error


def open_tracking(settings: Settings) -> str:
    """MLflow's address: the configured one, or the embedded one, created when absent."""
    from ctrain.registry.embedded import prepare_embedded

    return settings.tracking_uri or prepare_embedded(settings.home)


def open_shell(settings: Settings, telemetry: Telemetry, local_workers: int = 0, processes: int = 1) -> Shell:
    """All adapters on the real world; children start when they are first needed.

    ``local_workers`` of a dask cluster of this machine are for policies that name no other. So many
    ``processes`` share what one daemon may keep in memory.
    """
    from ctrain.analysis import AnalystChildren
    from ctrain.app.cluster_scoring import ClusterScorer, ScorerByJob
    from ctrain.launchers.dask import DaskLauncher, LauncherByJob
    from ctrain.launchers.dask_cluster import DaskClusters
    from ctrain.launchers.log_secrets import LogSecrets
    from ctrain.launchers.process import ProcessLauncher
    from ctrain.registry.measured import MeasuredRegistry
    from ctrain.rows import ParquetRowLogs
    from ctrain.rows.workspace import FolderWorkspace
    from ctrain.scoring.pool import ScorerPool
    from ctrain.sources.opening import FileSources

    store = open_database(settings)
    tracking_uri = open_tracking(settings)
    timer = RealTimer()
    clusters = DaskClusters(
        timer,
        os.environ,
        local_workers,
        lambda found: telemetry.log("cluster_differs", message=str(found), **found.as_told()),
    )
    on_clusters = DaskLauncher(clusters, tracking_uri, timer)
    return Shell(
        settings=settings,
        store=store,
        registry=MeasuredRegistry(tracking_uri, timer, telemetry),
        launcher=LauncherByJob(ProcessLauncher(tracking_uri, timer), on_clusters, LogSecrets(os.environ)),
        scorer=ScorerByJob(ScorerPool(tracking_uri, timer), ClusterScorer(clusters, tracking_uri, timer)),
        analyst=AnalystChildren(settings.runs_folder, timer),
        workspace=FolderWorkspace(settings.runs_folder),
        row_logs=ParquetRowLogs(settings.rows_folder, store, processes=processes),
        sources=FileSources(spool=settings.push_folder, marks=settings.marks_folder),
        telemetry=telemetry,
        clock=open_clock(settings.home),
        timer=timer,
        profile_memory=ProfileMemory(together=DAEMON_BYTES // processes),
        pace=Pace(time.thread_time, settings.tick),
        clusters=clusters,
    )


def open_telemetry(environ: Mapping[str, str]) -> PrometheusTelemetry:
    """Metrics, and a log on standard error without the secrets of ``environ``."""
    from ctrain import __version__
    from ctrain.telemetry import PrometheusTelemetry, open_log
    from ctrain.telemetry.tracing import Spans, open_tracing

    log = open_log(environ=environ)
    return PrometheusTelemetry(log, __version__, Spans(log, RealTimer(), open_tracing(environ, __version__)))


def open_quiet_telemetry(environ: Mapping[str, str]) -> PrometheusTelemetry:
    """For commands: what they say is their answer, nothing is logged beside it."""
    from ctrain import __version__
    from ctrain.telemetry import PrometheusTelemetry, open_log

    return PrometheusTelemetry(open_log(environ=environ, stream=io.StringIO()), __version__)


def close_shell(shell: Shell) -> None:
    """Stop the children that serve the daemon; trainings go on and are found again."""
    for port in (shell.scorer, shell.analyst, shell.registry, shell.metric_server, shell.telemetry):
        close = getattr(port, "close", None)
        if close is not None:
            close()

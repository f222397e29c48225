"""``ctrain check``: the engine's own ingest and observe on a throw-away copy of the state."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.wiring import (
    close_shell,
    open_existing_database,
    open_quiet_telemetry,
    open_shell,
    watch_policy,
)
from ctrain.clocks import CLOCK_FILE, wait_for
from ctrain.domain import MonitorName, PolicyName
from ctrain.engine.assess import assess, inconclusive
from ctrain.engine.champions import sync_champion
from ctrain.engine.clocked import sample_now
from ctrain.engine.ingest import ingest
from ctrain.engine.observe import observe
from ctrain.engine.quality_sight import newest_rows
from ctrain.engine.sight import Sight, look
from ctrain.errors import InputError, TransientError
from ctrain.monitors.freshness import assess_freshness
from ctrain.policy.fleet import load_fleet
from ctrain.policy.monitors import (
    ChangeMonitor,
    DomainClassifierMonitor,
    FreshnessMonitor,
    Monitor,
    PrometheusMonitor,
)
from ctrain.queries.fleet import rejected_files
from ctrain.registry.embedded import embedded_database, embedded_tracking_uri
from ctrain.store.upkeep import copy_policy

if TYPE_CHECKING:
    from ctrain.domain import IngestState, Verdict
    from ctrain.engine.watch import Watch
    from ctrain.settings import Settings

PATIENCE_SECONDS = 300.0
EVENTS_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    verdicts: Sequence[Verdict]
    set_aside: Sequence[str]
    """Files that cannot be used and why, the newest first."""


def check_policy(settings: Settings, path: Path, environ: Mapping[str, str]) -> Checked:
    """The verdict of every monitor as of the newest closed pane, by the policy as its file is now.

    All data that is there is read, also what a daemon has not seen yet; nothing is changed. A change
    monitor has a memory of every pane, and a domain classifier does not look at all of them: their
    verdicts are those that stand.

    Raises
    ------
    TransientError
        when the registry does not answer, or scoring takes longer than a few minutes.
    """
    fleet = load_fleet([_policy_file(settings, path)], environ)
    if len(fleet) > 1:
        raise InputError(f"{path}: holds {len(fleet)} policies; name the file of one")
    with tempfile.TemporaryDirectory(prefix="ctrain-check-") as folder:
        copy = _copied(settings, PolicyName(fleet[0].policy.policy), Path(folder))
        shell = open_shell(copy, open_quiet_telemetry(environ))
        try:
            watch = watch_policy(shell, fleet[0], None)
            sync_champion(watch)
            if not watch.registry_view.readable:
                raise TransientError(f"the registry cannot be read: {watch.registry_view.message}")
            _wait(lambda: _settled(watch))
            found: list[Verdict] = []
            _wait(lambda: _judged(watch, found))
            return Checked(found, _set_aside(watch))
        finally:
            close_shell(shell)


def _set_aside(watch: Watch) -> Sequence[str]:
    with watch.store.read() as tx:
        events = tx.events(watch.name, limit=EVENTS_LOOKED_AT)
    return rejected_files(events)


def _policy_file(settings: Settings, path: Path) -> Path:
    """The file itself, or that of the policy of this name which the home's daemon watches."""
    if path.exists():
        return path
    name = PolicyName(str(path))
    try:
        store = open_existing_database(settings)
    except InputError as error:
        raise InputError(f"{path}: there is no such file; {error}") from error
    with store.read() as tx:
        record, known = tx.policy_record(name), sorted(tx.policies())
    if record is None:
        raise InputError(
            f"{path}: neither a file nor a policy of this home; known: {', '.join(known) or 'none yet'}"
        )
    return Path(record.path)


def _wait(condition: Callable[[], bool]) -> None:
    if not wait_for(condition, PATIENCE_SECONDS):
        raise TransientError("scoring the new rows takes too long; is the machine busy?")


def _settled(watch: Watch) -> bool:
    moved = ingest(watch)
    observed = observe(watch)
    return not moved and not observed.panes and not observed.waiting


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a policy stands at its newest closed pane."""

    now: datetime
    state: IngestState
    sight: Sight | None
    """What the monitors look at there; None while no pane has closed."""
    verdicts: Mapping[MonitorName, Verdict]
    """The latest on record."""


def _judged(watch: Watch, found: list[Verdict]) -> bool:
    """Put the verdicts of the newest closed pane into ``found``; False while an answer is on its way."""
    found.clear()
    with watch.store.read() as tx:
        state, champion = tx.ingest_state(watch.name), tx.champion(watch.name)
        latest = {verdict.monitor: verdict for verdict in tx.latest_verdicts(watch.name)}
    end = state.next_pane_at
    sight = None if end is None else look(watch, champion, end, end)
    if sight is not None and sight.waiting:
        return False
    stand = _Stand(watch.clock.now(), state, sight, latest)
    for key, monitor in watch.policy.monitors.items():
        verdict = _verdict(watch, stand, MonitorName(key), monitor)
        if verdict is None:
            return False
        found.append(verdict)
    return True


def _verdict(watch: Watch, stand: _Stand, name: MonitorName, monitor: Monitor) -> Verdict | None:
    """The verdict of one monitor; None while the answer that it needs is on its way."""
    state, now = stand.state, stand.now
    match monitor:
        case FreshnessMonitor():
            return assess_freshness(name, monitor, state.newest_event_at, now, newest_rows(watch, monitor))
        case PrometheusMonitor():
            return sample_now(watch, name, monitor)
        case ChangeMonitor() | DomainClassifierMonitor() if name in stand.verdicts:
            return stand.verdicts[name]
    if stand.sight is None or state.next_pane_at is None:
        return inconclusive(name, now, "no pane has closed yet")
    assessed = assess(watch, stand.sight, name, monitor, state.next_pane_at, None)
    assert assessed is not None, "monitors that do not follow panes have been asked above"
    return assessed.verdict


def _copied(settings: Settings, policy: PolicyName, folder: Path) -> Settings:
    """Settings of a home in ``folder`` where the policy stands where it stands in the real one."""
    if settings.home.exists():
        # A daemon at work may replace segments meanwhile: those before and after are both there then.
        _link_tree(settings.rows_folder / policy, folder / "rows" / policy)
        copy_policy(settings.database_url, policy, folder / "state.db")
        _link_tree(settings.rows_folder / policy, folder / "rows" / policy)
        _link_tree(settings.push_folder / policy, folder / "push" / policy)
        if (settings.home / CLOCK_FILE).exists():
            shutil.copy(settings.home / CLOCK_FILE, folder / CLOCK_FILE)
    tracking_uri = settings.tracking_uri
    if tracking_uri is None and embedded_database(settings.home).exists():
        tracking_uri = embedded_tracking_uri(settings.home)
    return replace(
        settings, home=folder, database_url=f"sqlite:///{folder / 'state.db'}", tracking_uri=tracking_uri
    )


def _link_tree(source: Path, target: Path) -> None:
    """The same files under another name: segments never change, so nothing is copied."""
    for path in source.rglob("*") if source.exists() else ():
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(path, place)


def _link(path: Path, place: Path) -> None:
    if place.exists():
        return
    try:
        os.link(path, place)
    except FileNotFoundError:
        return  # replaced a moment ago
    except OSError:
        shutil.copy(path, place)

"""``ctrain report``: pictures of what monitors said last, made now from what the home holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.wiring import (
    Shell,
    close_shell,
    look_on,
    open_existing_database,
    open_quiet_telemetry,
    open_shell,
)
from ctrain.clocks import wait_for
from ctrain.domain import AnalysisJob, AnalysisStatus, MonitorName, PolicyName
from ctrain.engine.pictures import INPUT_MONITORS, picture_request
from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.policy.files import load_policy

if TYPE_CHECKING:
    from ctrain.domain import PolicyRecord, Verdict
    from ctrain.engine.watch import Watch
    from ctrain.settings import Settings

PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Report:
    """Files that were written, and why others were not."""

    policy: PolicyName
    champion: str
    monitors: tuple[MonitorName, ...]
    files: tuple[Path, ...]
    failed: Mapping[str, str]


def make_report(
    settings: Settings, name: PolicyName, monitor: str | None, folder: Path, environ: Mapping[str, str]
) -> Report:
    """Pictures of the newest verdicts of a policy, or of one of its monitors, in ``folder``.

    A daemon may be at work on the home or not: nothing of its state is changed.

    Raises
    ------
    InputError
        when the home does not know the policy, or the policy the monitor.
    PermanentError
        when there is no champion or no verdict yet, or nothing could be drawn.
    TransientError
        when drawing takes longer than a few minutes.
    """
    record = _record(settings, name)
    shell = open_shell(settings, open_quiet_telemetry(environ))
    try:
        watch = look_on(shell, load_policy(Path(record.path), environ))
        with shell.store.read() as tx:
            champion, latest = tx.champion(name), tx.latest_verdicts(name)
        verdicts = _chosen(watch, latest, monitor)
        if champion is None:
            raise PermanentError(f"{name} has no champion yet, so there is nothing to compare with")
        key = f"report-{name}-{os.getpid()}"
        try:
            request = picture_request(watch, champion, verdicts, key, most=len(verdicts))
            answer = _drawn(shell, AnalysisJob(key, "report", request)).answer
            files = _moved(answer["files"], folder)
        finally:
            shell.workspace.remove(key)
    finally:
        close_shell(shell)
    if not files:
        raise PermanentError("; ".join(answer["failed"].values()) or "there is nothing to draw yet")
    monitors = tuple(one.monitor for one in verdicts)
    return Report(name, champion.version, monitors, files, answer["failed"])


def _record(settings: Settings, name: PolicyName) -> PolicyRecord:
    with open_existing_database(settings).read() as tx:
        record, known = tx.policy_record(name), sorted(tx.policies())
    if record is None:
        raise InputError(f"{name}: no policy of this home; known: {', '.join(known) or 'none yet'}")
    return record


def _chosen(watch: Watch, latest: Sequence[Verdict], monitor: str | None) -> list[Verdict]:
    """Verdicts of monitors that the policy still has, those on columns first."""
    monitors = watch.policy.monitors
    if monitor is not None and monitor not in monitors:
        raise InputError(f"--monitor {monitor}: {watch.name} has the monitors {', '.join(sorted(monitors))}")
    known = [one for one in latest if one.monitor in monitors and monitor in (None, one.monitor)]
    if not known:
        raise PermanentError(f"{monitor or watch.name}: there is no verdict yet")
    return sorted(known, key=lambda one: not isinstance(monitors[one.monitor], INPUT_MONITORS))


def _drawn(shell: Shell, job: AnalysisJob) -> AnalysisStatus:
    shell.analyst.submit(job)
    if not wait_for(lambda: shell.analyst.poll(job.key).state in {"done", "failed"}, PATIENCE_SECONDS):
        raise TransientError("drawing takes too long; is the machine busy?")
    status = shell.analyst.poll(job.key)
    if status.state == "failed":
        raise PermanentError(f"nothing could be drawn: {status.message}")
    return status


def _moved(files: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(Path(shutil.move(path, folder / name)) for name, path in files.items())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error}") from error

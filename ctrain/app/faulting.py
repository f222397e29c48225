"""Faults on purpose in a daemon that is being tested; without them every port is the bare object.

``CTRAIN_FAULTS`` holds the plan. It counts only beside ``CTRAIN_FAULTS_ALLOWED=yes``: a daemon that is
told to fail by a variable that somebody forgot does not start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ctrain.errors import InputError

if TYPE_CHECKING:
    from ctrain.app.wiring import Shell
    from ctrain.faults import Faults
    from ctrain.ports import Analyst, Launcher, MetricServer, Notifier, Registry, Scorer, Store, Workspace
    from ctrain.rows.segments import SegmentFolder

PLAN = "CTRAIN_FAULTS"
ALLOWED = "CTRAIN_FAULTS_ALLOWED"


def planned_faults(environ: Mapping[str, str]) -> Faults | None:
    """The plan of the environment, or None as in every production.

    Raises
    ------
    InputError
        when a plan is there that is not allowed, or cannot be understood.
    """
    text = environ.get(PLAN)
    if not text:
        return None
    if environ.get(ALLOWED) != "yes":
        raise InputError(
            f"{PLAN} is set: this daemon would fail on purpose; unset it, or, in a test, set {ALLOWED}=yes"
        )
    from ctrain.faults import read_plan

    return read_plan(text)


def with_faults(shell: Shell, faults: Faults | None) -> Shell:
    """The shell with points around its ports; the shell itself where no faults are planned."""
    if faults is None:
        return shell
    from ctrain.faults import Around, FaultyRowLogs, FaultySources, FaultyStore
    from ctrain.notify import ChannelNotifier
    from ctrain.rows import ParquetRowLogs

    def segments_of(files: SegmentFolder) -> SegmentFolder:
        return cast("SegmentFolder", Around(files, "segments", faults))

    shell.telemetry.log("faults_injected", warning="this daemon fails on purpose: it is being tested")
    rows = ParquetRowLogs(shell.settings.rows_folder, shell.store, around=segments_of)
    notifier = shell.notifier or ChannelNotifier(os.environ, shell.settings.tracking_uri)
    return replace(
        shell,
        store=cast("Store", FaultyStore(shell.store, faults)),
        registry=cast("Registry", Around(shell.registry, "registry", faults)),
        launcher=cast("Launcher", Around(shell.launcher, "launcher", faults)),
        scorer=cast("Scorer", Around(shell.scorer, "scorer", faults)),
        analyst=cast("Analyst", Around(shell.analyst, "analyst", faults)),
        workspace=cast("Workspace", Around(shell.workspace, "workspace", faults)),
        metric_server=cast("MetricServer", Around(shell.metric_server, "metric_server", faults)),
        notifier=cast("Notifier", Around(notifier, "notifier", faults)),
        row_logs=FaultyRowLogs(rows, faults),
        sources=FaultySources(shell.sources, faults),
    )

"""A hint when files come: the folders of the sources are watched, and wake the ticks of their policies.

It is no more than a hint. Whatever it misses (a network file system, a link that leads elsewhere, a limit
of the system) is found by the next tick, which would have looked anyway.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from ctrain.app.folder_plan import Plan, plan_watching, read_mounts, remote_mounts

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch
    from ctrain.ports import Telemetry, Timer

REFRESH_SECONDS = 2.0
"""So often the folders are looked up again: policies come and go, folders appear and are replaced."""
REST = 50
"""Times as long as looking them up took, and no longer than ``LONGEST_REST_SECONDS``, they are left alone."""
LONGEST_REST_SECONDS = 10.0
RETRY_SECONDS = 60.0
"""After the system refused to watch them."""
STEP_MS = 50
LONGEST_BURST_MS = 200
DELETED = 3
"""How watchfiles numbers the kinds of changes."""

Changes = set[tuple[int, str]] | Literal["signal", "stop", "timeout"]


class Notify(Protocol):
    """What tells of changes in folders that it was opened for."""

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: threading.Event | None
    ) -> Changes:
        """Changes by kind and path, once there are some; otherwise why there are none."""

    def close(self) -> None:
        """Tell no more."""


def open_notify(folders: list[str]) -> Notify:
    """What tells of changes in these folders, not in theirs; raises OSError where the system refuses."""
    from watchfiles._rust_notify import RustNotify  # its documented interface for what is more than one call

    return RustNotify(folders, False, False, 0, False, True)


class FolderWatch:
    """Wakes policies when something changes in the folders of their sources, from a thread of its own."""

    def __init__(
        self,
        watched: Callable[[], Mapping[PolicyName, Watch]],
        wake: Callable[[PolicyName], None],
        timer: Timer,
        telemetry: Telemetry,
        *,
        open_notify: Callable[[list[str]], Notify] = open_notify,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._watched = watched
        self._wake = wake
        self._timer = timer
        self._telemetry = telemetry
        self._open_notify = open_notify
        self._refresh_seconds = refresh_seconds
        self._plan = Plan()
        self._notify: Notify | None = None
        self._refused_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folders", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more, if it ever did."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        due = float("-inf")
        while not self._stopping.is_set():
            try:
                begun = self._timer.monotonic()
                if begun >= due:
                    due = begun + self._refresh_seconds
                    self._refresh()
                    took = self._timer.monotonic() - begun
                    due = max(due, begun + min(REST * took, LONGEST_REST_SECONDS))
                if self._listen():
                    due = float("-inf")
            except Exception as error:  # noqa: BLE001  # a hint that fails must not end the hints
                self._telemetry.log(
                    "folder_watch_failed", message=str(error), traceback=traceback.format_exc()
                )
                self._close()
                self._stopping.wait(self._refresh_seconds)
        self._close()

    def _listen(self) -> bool:
        """Wait for changes and wake those whom they concern; True when other folders are to be watched."""
        if self._notify is None:
            self._stopping.wait(self._refresh_seconds)
            return False
        timeout_ms = max(round(self._refresh_seconds * 1000), 1)
        changes = self._notify.watch(LONGEST_BURST_MS, STEP_MS, timeout_ms, self._stopping)
        if isinstance(changes, str):
            return False
        self._take(changes)
        plan = self._plan
        return any(
            path in plan.awaited or (kind == DELETED and path in plan.folders) for kind, path in changes
        )

    def _take(self, changes: Iterable[tuple[int, str]]) -> None:
        for name in self._plan.woken_by(path for kind, path in changes if kind != DELETED):
            self._wake(name)

    def _refresh(self) -> None:
        """Watch the folders as they are now; whose folders are new is woken: something may be there."""
        plan = plan_watching(self._watched(), remote_mounts(read_mounts()))
        before, self._plan = self._plan, plan
        if self._notify is None:
            before = Plan()
        if plan.folders != before.folders and (before.folders or self._may_retry()):
            self._change_over(self._open(plan))
        if self._notify is not None:
            for name in plan.new_beside(before):
                self._wake(name)

    def _change_over(self, notify: Notify | None) -> None:
        last, self._notify = self._notify, notify
        if last is not None:
            changes = last.watch(1, 1, 1, None)  # what has come since it was asked last
            last.close()
            self._take(() if isinstance(changes, str) else changes)
        self._telemetry.gauge("folders_watched", len(self._plan.folders) if notify is not None else 0)

    def _may_retry(self) -> bool:
        return self._refused_at is None or self._timer.monotonic() - self._refused_at >= RETRY_SECONDS

    def _open(self, plan: Plan) -> Notify | None:
        """None when there is nothing to watch, or the system refuses; that is told once."""
        if not plan.folders:
            return None
        try:
            notify = self._open_notify(sorted(plan.folders))
        except FileNotFoundError:  # one went just now
            self._plan = Plan()
            return None
        except (OSError, RuntimeError, ImportError) as error:
            if self._refused_at is None:
                self._telemetry.log(
                    "folders_not_watched",
                    folders=len(plan.folders),
                    message=f"files are found at the next tick only: {error}",
                )
            self._refused_at = self._timer.monotonic()
            return None
        self._refused_at = None
        return notify

    def _close(self) -> None:
        last, self._notify, self._plan = self._notify, None, Plan()
        if last is not None:
            last.close()

"""What the daemon knows of dask clusters: tasks by key, each cluster behind an agent of its own.

The daemon talks to a child (``ctrain.launchers.dask_agent``), started with the first task. Nothing is lost
with an agent, or with the scheduler: another agent names the same keys again, and finds the tasks that the
scheduler still knows.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ctrain.children import PASSED_ON, ChildGone, LineChild, child_environment
from ctrain.domain import Json
from ctrain.launchers.dask_versions import Difference
from ctrain.launchers.local_cluster import LocalDask
from ctrain.ports import Timer

RETRY_SECONDS = 5.0
"""After an agent has ended, the next one is started no sooner."""
OF_DASK = "DASK_"
"""Variables of dask's own configuration, TLS certificates among them."""
SHOWN = 5
"""Of what workers have otherwise than the daemon, where a failure is told."""
LOCAL = ""
"""In the place of an address: the cluster of this machine that the daemon has started."""


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """A function that the workers import by its name (``module:function``), and what it is told.

    What goes through the scheduler is small: paths, never rows.
    """

    function: str
    arguments: Json
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a task ended: with a result, or with an error; lost: it may never have run."""

    result: Json | None = None
    error: str = ""
    lost: bool = False


class DaskCluster:
    """The tasks of one cluster; safe to call from several threads, and never waits."""

    def __init__(
        self,
        address: str,
        timer: Timer,
        environ: Mapping[str, str],
        local: LocalDask | None,
        tell: Callable[[Difference], None] | None = None,
    ) -> None:
        self.address = address
        self._timer, self._local, self._tell = timer, local, tell
        passed = {name: environ[name] for name in environ if name in PASSED_ON or name.startswith(OF_DASK)}
        declared = [name for name in passed if name.startswith(OF_DASK)]
        self._environ = child_environment(passed, tracking_uri="", threads=1, declared=declared)
        self._lock = threading.RLock()
        self._agent: LineChild | None = None
        self._tasks: dict[str, ClusterTask] = {}
        self._answers: dict[str, Answer] = {}
        self._retry_at = float("-inf")
        self._closed = False
        self._trouble, self._troubled_at = "", 0.0
        self.differences: tuple[Difference, ...] = ()
        """What its workers have otherwise than this daemon."""

    def submit(self, key: str, task: ClusterTask) -> None:
        """Let the task be run, unless one of this key is known; another daemon's, too."""
        with self._lock:
            if key in self._tasks or self._closed:
                return
            self._tasks[key] = task
            if self._agent is not None:
                self._send(_request(key, task))
            self._start_agent()

    def answer(self, key: str) -> Answer | None:
        """How the task ended; None while that is not known."""
        with self._lock:
            self._start_agent()
            return self._answers.get(key)

    def forget(self, key: str, *, drop: bool = False) -> None:
        """Know nothing more of the task; ``drop``: nobody needs to run it any more."""
        with self._lock:
            known = self._tasks.pop(key, None)
            self._answers.pop(key, None)
            if drop and known is not None and self._agent is not None:
                self._send({"key": key, "drop": True})

    def close(self) -> None:
        """End the agent; what runs goes on."""
        with self._lock:
            self._closed = True
            agent, self._agent = self._agent, None
        if agent is not None:
            agent.kill()

    @property
    def trouble(self) -> str:
        """Why there is no agent, or it is not connected yet; empty once it is."""
        return self._trouble

    @trouble.setter
    def trouble(self, why: str) -> None:
        if not self._trouble:
            self._troubled_at = self._timer.monotonic()
        self._trouble = why

    @property
    def troubled_seconds(self) -> float:
        """So long nobody has reached the scheduler; zero while somebody does."""
        return self._timer.monotonic() - self._troubled_at if self._trouble else 0.0

    def explained(self, failure: str) -> str:
        """The failure, and what workers have otherwise than the daemon: it may be why."""
        found = self.differences
        more = [f"and {len(found) - SHOWN} differences more"] if len(found) > SHOWN else []
        return "\n".join([failure, *map(str, found[:SHOWN]), *more])

    @property
    def is_local(self) -> bool:
        return self.address == LOCAL

    @property
    def agent_pid(self) -> int | None:
        return self._agent.pid if self._agent is not None else None

    def _start_agent(self) -> None:
        waiting = self._tasks.keys() - self._answers.keys()
        if self._agent is not None or self._closed or not waiting:
            return
        if self._timer.monotonic() < self._retry_at:
            return
        try:
            place = self._place()
            if place is None:
                return
            command = [sys.executable, "-P", "-m", "ctrain.launchers.dask_agent"]
            self._agent = LineChild(
                command, self._environ, on_message=self._on_message, on_exit=self._on_exit
            )
        except ChildGone as error:
            self._missed(str(error))
            return
        self._send(place)
        for key in sorted(waiting):
            self._send(_request(key, self._tasks[key]))

    def _place(self) -> Json | None:
        if not self.is_local:
            return {"address": self.address, "certificate": "", "key": ""}
        if self._local is None:
            raise ChildGone("there is no local cluster: see ctrain run --local-cluster", taken=False)
        return self._local.place()

    def _send(self, request: Json) -> None:
        assert self._agent is not None
        try:
            self._agent.send(request)
        except ChildGone as error:
            self._missed(str(error))  # its end is told soon, and the next agent is told everything

    def _missed(self, why: str) -> None:
        self.trouble = why.splitlines()[-1] if why else "the agent of the cluster ended"
        self._retry_at = self._timer.monotonic() + RETRY_SECONDS

    def _on_message(self, message: Json) -> None:
        with self._lock:
            if "connected" in message:
                self.trouble = ""
                return
            if "differences" in message:
                self._differ(tuple(map(Difference.told, message["differences"])))
                return
            if message["key"] not in self._tasks:
                return
            if "error" in message:
                self._answers[message["key"]] = Answer(error=message["error"], lost=message["lost"])
            else:
                self._answers[message["key"]] = Answer(result=message["answer"])

    def _differ(self, found: tuple[Difference, ...]) -> None:
        """Remember what is so now, and tell each difference when it is met first."""
        new = [one for one in found if one not in self.differences]
        self.differences = found
        if self._tell is not None:
            for one in new:
                self._tell(one)

    def _on_exit(self) -> None:
        with self._lock:
            agent, self._agent = self._agent, None
            if agent is not None:
                self._missed(agent.last_words())


class DaskClusters:
    """Clusters by address, each known once however many policies use it."""

    def __init__(
        self,
        timer: Timer,
        environ: Mapping[str, str],
        local_workers: int = 0,
        tell: Callable[[Difference], None] | None = None,
    ) -> None:
        self._timer, self._environ, self._tell = timer, environ, tell
        self.local = LocalDask.of(local_workers, environ, timer) if local_workers else None
        self._lock = threading.Lock()
        self._known: dict[str, DaskCluster] = {}

    def at(self, address: str) -> DaskCluster:
        with self._lock:
            if address not in self._known:
                self._known[address] = DaskCluster(
                    address, self._timer, self._environ, self.local, self._tell
                )
            return self._known[address]

    def close(self) -> None:
        """End the agents, and the local cluster; what runs on others goes on."""
        for one in self._known.values():
            one.close()
        if self.local is not None:
            self.local.close()


def _request(key: str, task: ClusterTask) -> dict[str, Any]:
    return {
        "key": key,
        "function": task.function,
        "arguments": dict(task.arguments),
        "resources": dict(task.resources),
    }

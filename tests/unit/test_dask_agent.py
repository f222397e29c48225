"""The client of a dask cluster, beside a scheduler without workers that is slow to take tasks in."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any, cast

import pytest
from distributed import Client, LocalCluster

from ctrain.launchers import dask_agent
from ctrain.launchers.dask_agent import Agent
from tests.waiting import wait_until

KEY = "run-1"
DROP = {"key": KEY, "drop": True}
FOR_EVERYBODY = "fire-and-forget"


class SlowScheduler:
    """A scheduler that takes a graph in after it has been asked for its tasks some times, or told of them."""

    def __init__(self, cluster: LocalCluster) -> None:
        scheduler: Any = cluster.scheduler
        self.inner = scheduler
        streams, handlers = scheduler.stream_handlers, scheduler.handlers
        self._update_graph, streams["update-graph"] = streams["update-graph"], self.update_graph
        self._desires, streams["client-desires-keys"] = streams["client-desires-keys"], self.desires
        self._status, handlers["get_task_status"] = handlers["get_task_status"], self.status
        self._begin = asyncio.Event()
        self.asked = 0

    async def update_graph(self, **told: Any) -> None:
        await self._begin.wait()
        await self._update_graph(**told)

    def desires(self, **told: Any) -> None:
        self._desires(**told)
        self._begin.set()

    def status(self, keys: list[str]) -> Any:
        found = self._status(keys)
        self.asked += 1
        if self.asked == 3:
            self._begin.set()
        return found

    def wants(self, key: str) -> set[str]:
        """Who wants a task that it knows."""
        task = self.inner.tasks.get(key)
        return {one.client_key for one in (task.who_wants or ())} if task is not None else set()


@pytest.fixture(autouse=True)
def last_words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """With what an agent ended: not this process."""
    said: list[str] = []
    monkeypatch.setattr(dask_agent, "_end", said.append)
    monkeypatch.setattr(dask_agent, "ASKING_SECONDS", 0.0)
    return said


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        yield client


def request_of(key: str) -> dict[str, Any]:
    return {"key": key, "function": "builtins:dict", "arguments": {}, "resources": {}}


class Ended:
    """A task that ends at the same time as something else happens, and is cancelled then."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def result(self) -> None:
        self._meanwhile()
        raise CancelledError("scheduler-connection-lost")

    def cancel(self, *, force: bool) -> None:
        """It is as good as cancelled."""


def test_a_task_that_is_dropped_as_it_ends_does_not_end_the_agent(last_words: list[str]) -> None:
    agent = Agent(cast(Any, None), io.StringIO())
    ended = cast(Any, Ended(lambda: agent.serve(DROP)))
    agent._futures[KEY] = ended
    agent._tell(KEY, ended)
    assert last_words == []


def test_an_agent_that_is_cut_off_from_a_task_says_why_it_ends(last_words: list[str]) -> None:
    agent = Agent(cast(Any, None), io.StringIO())
    ended = cast(Any, Ended(lambda: None))
    agent._futures[KEY] = ended
    agent._tell(KEY, ended)
    assert last_words == ["the scheduler does not know a task any more: scheduler-connection-lost"]


def test_a_task_that_the_scheduler_learns_of_late_outlives_its_client(
    cluster: LocalCluster, client: Client
) -> None:
    scheduler = SlowScheduler(cluster)
    Agent(client, io.StringIO()).serve(request_of(KEY))
    wait_until(lambda: FOR_EVERYBODY in scheduler.wants(KEY), 10.0, "the wish to keep the task")
    assert scheduler.asked > 3


def test_a_task_that_the_scheduler_learns_of_late_can_be_dropped_at_once(
    cluster: LocalCluster, client: Client
) -> None:
    scheduler = SlowScheduler(cluster)
    agent = Agent(client, io.StringIO())
    agent.serve(request_of(KEY))
    assert KEY in scheduler.inner.tasks
    agent.serve(DROP)
    wait_until(lambda: KEY not in scheduler.inner.tasks, 10.0, "the end of the task")

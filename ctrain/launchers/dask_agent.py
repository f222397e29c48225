"""The client of a dask cluster: a child of the daemon, so that the daemon neither imports dask nor unpickles.

``python -P -m ctrain.launchers.dask_agent`` is told on its first line ``{"address", "certificate", "key"}``
(the last two empty unless the cluster is one of this machine) and then, a line each, ``{"key", "function",
"arguments", "resources"}`` to start or find again a task, or ``{"key", "drop": true}``. It says
``{"connected"}`` when it is, and of each task once ``{"key", "answer": {...}}`` or ``{"key", "error",
"lost"}``, and what workers have otherwise than the daemon, as often as that changes, ``{"differences"}``. A
task outlives the agent: another one that names the same key finds it. The agent ends when its
parent does, or when the scheduler is gone.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, NoReturn

from ctrain.launchers.dask_call import submit_named
from ctrain.launchers.dask_versions import Workers

if TYPE_CHECKING:
    from distributed import Client, Future, Security

CONNECT_SECONDS = 10.0
LOOK_SECONDS = 0.2
KNOWN_SECONDS = 0.02
"""So often the scheduler is asked whether it knows a task yet."""
NEWCOMERS_SECONDS = 5.0
"""So often workers that have come since are asked what they have."""
NO_CERTIFICATES = (
    "tls:// needs certificates in dask's configuration: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
)
ASKING_SECONDS = 3.0
"""So long the news that a task failed waits for that."""
CUT_OFF = ("FutureCancelledError", "CancelledError", "FutureLostError")
"""Errors that say nothing of a task, but that the scheduler does not tell this client of it any more."""
LOST = ("KilledWorker",)
"""Errors that say nothing of a task, but that whoever ran it is gone."""


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.readline())
    try:
        client = connect(asked)
    except Exception as error:  # noqa: BLE001 - whatever dask raises, the scheduler cannot be reached
        told = str(error).partition("\n")[0] or type(error).__name__
        _end(f"the scheduler {asked['address']} cannot be reached: {told}")
    answers.write(json.dumps({"connected": asked["address"]}) + "\n")
    agent = Agent(client, answers)
    threading.Thread(target=_end_with, args=(client, asked["address"]), daemon=True).start()
    threading.Thread(target=agent.watch_workers, daemon=True).start()
    for line in sys.stdin:
        agent.serve(json.loads(line))
    os._exit(0)


def connect(asked: Mapping[str, str], *, direct: bool = False) -> Client:
    """A client of the cluster; certificates of other clusters are those of dask's own configuration.

    ``direct``: results come from the workers, not through the scheduler.

    Raises ValueError when there are none of these for ``tls://``, and what dask does when the scheduler does
    not answer.
    """
    from distributed import Client, Security

    by_configuration = asked["address"].startswith("tls://") and not asked.get("certificate")
    if by_configuration and Security().get_connection_args("client").get("ssl_context") is None:
        raise ValueError(NO_CERTIFICATES)
    return Client(
        asked["address"],
        timeout=CONNECT_SECONDS,
        direct_to_workers=direct,
        security=_security(asked["certificate"], asked["key"]) if asked.get("certificate") else None,
        set_as_default=False,
    )


def _security(certificate: str, key: str) -> Security:
    """Both sides show the same certificate, which nobody else has."""
    from distributed import Security

    return Security(
        tls_ca_file=certificate, tls_client_cert=certificate, tls_client_key=key, require_encryption=True
    )


def _end_with(client: Client, address: str) -> None:
    """End this process when the scheduler is gone: whoever needs it starts another one."""
    pause = threading.Event()
    while client.status == "running":
        pause.wait(LOOK_SECONDS)
    _end(f"the scheduler {address} is gone")


def _end(last_words: str) -> NoReturn:
    """End this process: the next one asks for every task again, and finds those that are known."""
    print(last_words, file=sys.stderr, flush=True)
    os._exit(1)


class Agent:
    """The tasks of this client, and where it says what became of them."""

    def __init__(self, client: Client, answers: IO[str]) -> None:
        self._client, self._answers = client, answers
        self._futures: dict[str, Future[Any]] = {}
        self._writing = threading.Lock()
        self._workers = Workers(client)
        self._wanted, self._asked = threading.Event(), threading.Event()

    def watch_workers(self) -> None:
        """Say what workers have otherwise than the daemon, those that come while others work, too."""
        while True:
            self._tell_differences()
            self._asked.set()
            self._wanted.wait(NEWCOMERS_SECONDS)
            self._wanted.clear()

    def serve(self, request: Mapping[str, Any]) -> None:
        """Start a task, or find it again, or drop it."""
        key = request["key"]
        if request.get("drop"):
            dropped = self._futures.pop(key, None)
            if dropped is not None:
                dropped.cancel(force=True)
            return
        if key in self._futures:
            return
        future = submit_named(
            self._client, key, request["function"], request["arguments"], request["resources"]
        )
        self._hold(key, future)
        self._futures[key] = future
        future.add_done_callback(lambda done: self._tell(key, done))

    def _hold(self, key: str, future: Future[Any]) -> None:
        """Let the scheduler keep the task when this client ends.

        It takes tasks in when it gets to it; until then it does not listen to what is said of them.
        """
        from distributed import fire_and_forget

        pause = threading.Event()
        while not (future.done() or self._is_known(key)):
            pause.wait(KNOWN_SECONDS)
        if not future.done():  # a wish for what has ended would never be taken back
            fire_and_forget(future)

    def _is_known(self, key: str) -> bool:
        scheduler: Any = self._client.scheduler
        try:
            states = self._client.sync(scheduler.get_task_status, keys=[key])
        except Exception as error:  # noqa: BLE001 - whatever dask raises, the scheduler does not answer
            _end(f"the scheduler does not say what it knows: {error}")
        return states[key] is not None

    def _tell(self, key: str, future: Future[Any]) -> None:
        if self._futures.get(key) is not future:
            return
        try:
            told = {"key": key, "answer": future.result()}
        except BaseException as error:  # noqa: BLE001 - what a task raises is told, CancelledError included
            kind = type(error).__name__
            if kind in CUT_OFF:
                if self._futures.get(key) is not future:  # it was dropped meanwhile
                    return
                _end(f"the scheduler does not know a task any more: {error}")
            self._ask_now()
            told = {"key": key, "error": f"{kind}: {error}", "lost": kind in LOST}
        self._futures.pop(key, None)
        self._say(told)

    def _ask_now(self) -> None:
        """Let workers be asked before it is told that a task failed: what they have may be why."""
        self._asked.clear()
        self._wanted.set()
        self._asked.wait(ASKING_SECONDS)

    def _tell_differences(self) -> None:
        try:
            found = self._workers.news()
        except Exception as error:  # noqa: BLE001 - whatever dask raises: tasks go on, and are told
            print(f"workers cannot be asked what they have: {error}", file=sys.stderr, flush=True)
            return
        if found is not None:
            self._say({"differences": [one.as_told() for one in found]})

    def _say(self, told: Mapping[str, Any]) -> None:
        with self._writing:
            self._answers.write(json.dumps(told, default=str) + "\n")


if __name__ == "__main__":
    sys.exit(main())

"""Several real daemons on one database and one home, without an MLflow: what matters is who ticks what."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctrain.domain import PolicyName, Request, RequestKind
from ctrain.domain.leases import leased_policy
from ctrain.store import SqlStore, open_store
from tests.support.live import POLICY, START, environment
from tests.support.ports import free_port
from tests.support.warm import REAL
from tests.waiting import wait_until

LEASE_SECONDS = 3.0
PATIENCE_SECONDS = 150.0
"""Of a busy machine; what is waited for comes within a lease and a bit."""


@dataclass
class DaemonProcess:
    """One daemon: ``ctrain run`` with a log and a port of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    listen: str

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == kind]

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://{self.listen}/-/ready", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@dataclass
class DaemonFleet:
    """A folder with policies, their home and their database, and the daemons that share them."""

    folder: Path
    address: str
    policies: int
    python: str = REAL
    store: SqlStore = field(init=False)
    daemons: dict[str, DaemonProcess] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("policies", "home", "policies/rows", "policies/labels"):
            (self.folder / name).mkdir(parents=True)
        for name in self.names:
            text = POLICY.replace("policy: clicks", f"policy: {name}").replace(
                "name: clicks", f"name: {name}"
            )
            (self.folder / "policies" / f"{name}.yaml").write_text(text)
        (self.folder / "policies" / "clicks.py").write_text("def train(rows, context): ...\n")
        self.store = open_store(self.address)
        self.nobody = free_port()

    @property
    def names(self) -> list[PolicyName]:
        return [PolicyName(f"p{number}") for number in range(self.policies)]

    def start(self, name: str, *options: str, **environ: str) -> DaemonProcess:
        """Begin to start a daemon."""
        listen, log = f"127.0.0.1:{free_port()}", self.folder / f"{name}.log"
        command = ["run", str(self.folder / "policies"), "--home", str(self.folder / "home")]
        settings: Mapping[str, str] = {
            "CTRAIN_DATABASE_URL": self.address,
            "CTRAIN_LEASE_SECONDS": str(LEASE_SECONDS),
            "CTRAIN_TICK_SECONDS": "0.5",
            "CTRAIN_LOG_FORMAT": "json",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.nobody}",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        }
        with log.open("ab") as output:
            process = subprocess.Popen(
                [self.python, "-m", "ctrain", *command, "--listen", listen, *options],
                env={**environment(), **settings, **environ},
                stdout=output,
                stderr=output,
            )
        self.daemons[name] = DaemonProcess(name, process, log, listen)
        return self.daemons[name]

    def held(self) -> dict[str, set[PolicyName]]:
        """The policies of each daemon by its name; of those whose lease runs."""
        with self.store.read() as tx:
            live = tx.live_leases(tx.database_now())
        pids = {str(one.process.pid): name for name, one in self.daemons.items()}
        found: dict[str, set[PolicyName]] = {}
        for one in live:
            policy = leased_policy(one.name)
            if policy is not None:
                found.setdefault(pids[one.holder.split(":")[1]], set()).add(policy)
        return found

    def counts(self) -> dict[str, int]:
        return dict(Counter({name: len(policies) for name, policies in self.held().items()}))

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, PATIENCE_SECONDS, what)

    def wait_until_held_by(self, *names: str) -> None:
        """Wait until these, and nobody else, share all policies evenly and watch what they hold."""

        def even() -> bool:
            counts = self.counts()
            fair = {len(self.names) // len(names), -(-len(self.names) // len(names))}
            return (
                counts.keys() == set(names)
                and sum(counts.values()) == len(self.names)
                and set(counts.values()) <= fair
                and all(self.watched(self.daemons[name]) == self.held()[name] for name in names)
            )

        self.wait_for(even, f"policies spread over {names}")

    def watched(self, daemon: DaemonProcess) -> set[str]:
        """The policies that have metrics of a daemon: those that it ticks."""
        return set(re.findall(r'ctrain_leader\{policy="(\w+)"\} 1\.0', daemon.metrics()))

    def ask(self) -> list[int]:
        """Somebody asks something of each policy; the numbers of the requests."""
        with self.store.write() as tx:
            return [
                tx.add_request(Request(0, name, RequestKind.CANCEL, "ann", START, {"run": "no such run"}))
                for name in self.names
            ]

    def answered(self, numbers: list[int]) -> bool:
        with self.store.read() as tx:
            requests = [tx.request(number) for number in numbers]
        return all(one is not None and one.answer for one in requests)

    def wait_until_answered(self) -> None:
        """Ask something of each policy, and wait until all of it has been answered."""
        numbers = self.ask()
        self.wait_for(lambda: self.answered(numbers), "every policy answers")

    def end(self) -> None:
        for one in self.daemons.values():
            if one.process.poll() is None:
                os.kill(one.process.pid, signal.SIGCONT)
                one.process.kill()
            one.process.wait()
        self.store.close()

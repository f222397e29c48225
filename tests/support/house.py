"""The real daemon in this process, around a small world: its registry and its children are fakes."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from ctrain.app.daemon import Daemon
from ctrain.app.wiring import Shell
from ctrain.clocks import RealTimer
from ctrain.domain import Phase, PolicyName, Request, RunId, Version
from ctrain.errors import StateConflict
from ctrain.policy.files import load_policy
from ctrain.policy.loaded import LoadedPolicy
from ctrain.rows import ParquetRowLogs
from ctrain.rows.workspace import FolderWorkspace
from ctrain.settings import Settings
from ctrain.sources.opening import FileSources
from ctrain.telemetry import PrometheusTelemetry
from tests.support.ports import free_port
from tests.support.runs import run_under
from tests.support.slopes import slope_model
from tests.support.world import POLICY, START, World
from tests.waiting import wait_until

VIEWS = PolicyName("views")
OTHER = POLICY.replace("policy: clicks", "policy: views").replace("name: clicks", "name: views")
"""A policy that a daemon watches beside that of the world."""


class Heard:
    """A log that is kept."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def log(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.events]


class House:
    """A world in the hands of the real daemon; its registry and its children are fakes."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.policies = folder / "policies"
        self.policies.mkdir()
        self.heard = Heard()
        self.telemetry = PrometheusTelemetry(self.heard, "0")  # type: ignore[arg-type]  # it only logs
        self.listen = f"127.0.0.1:{free_port()}"
        self.timer = RealTimer()
        self.errors: list[StateConflict] = []
        home = folder / "home"
        self.settings = Settings(
            home=home,
            database_url=f"sqlite:///{home / 'state.db'}",
            tracking_uri=None,
            tick=timedelta(milliseconds=50),
            registry_poll=timedelta(milliseconds=50),
            lease=timedelta(seconds=3),
        )

    def shell(self) -> Shell:
        world = self.world
        return Shell(
            settings=self.settings,
            store=world.store,
            registry=world.registry,
            launcher=world.launcher,
            scorer=world.scorer,
            analyst=world.analyst,
            workspace=FolderWorkspace(self.settings.runs_folder),
            row_logs=ParquetRowLogs(self.settings.rows_folder, world.store),
            sources=FileSources(spool=self.settings.push_folder),
            telemetry=self.telemetry,
            clock=world.clock,
            timer=self.timer,
        )

    def loaded(self, text: str, name: str) -> LoadedPolicy:
        (self.policies / name).write_text(text)
        return load_policy(self.policies / name, {})

    @contextmanager
    def daemon(self, *fleet: LoadedPolicy) -> Iterator[Daemon]:
        daemon = Daemon(self.shell(), fleet, [self.policies], self.listen, self.telemetry)

        def run() -> None:
            try:
                daemon.run()
            except StateConflict as error:
                self.errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_until(lambda: "started" in self.heard.names() or self.errors, 20, "the daemon has started")
            yield daemon
        finally:
            daemon.stop()
            thread.join(20)
            assert not thread.is_alive()

    def leave_run(self, phase: Phase) -> RunId:
        """A run as a daemon left it that was killed; its policy has no file any more."""
        registry, loaded = self.world.registry, self.world.watch.loaded
        first = registry.register(slope_model(2.0), {})
        second = registry.register(slope_model(-2.0), {})
        registry.aliases["champion"] = first
        if phase is not Phase.SHADOWING:
            registry.aliases.update(champion=second, previous_champion=first)
        run = run_under(loaded, phase, champion_version=Version(first), challenger_version=Version(second))
        with self.world.store.write() as tx:
            identity = {"model": "clicks", "task": "binary", "id": "id", "event_time": "at"}
            tx.save_policy(self.world.name, loaded.hash, str(loaded.path), identity, START)
            tx.create_run(run)
        return run.id

    def phase_of(self, run_id: RunId) -> Phase:
        with self.world.store.read() as tx:
            run = tx.run(run_id)
        assert run is not None
        return run.phase

    def open_requests(self, policy: PolicyName) -> list[Request]:
        with self.world.store.read() as tx:
            return tx.open_requests(policy)

    def wait_for_rows(self, number: int) -> None:
        rows = f'ctrain_rows_ingested_total{{policy="{VIEWS}"}} {number}.0'
        wait_until(lambda: rows in self.metrics(), 20, f"{number} rows are read")

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

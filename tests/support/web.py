"""The application of a ``ctrain serve`` in this process, on a store with a small story."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from fastapi import FastAPI

from ctrain.app.web_actions import StoredActions
from ctrain.domain import (
    Champion,
    Event,
    MonitorName,
    Outcome,
    Phase,
    Run,
    RunId,
    Status,
    Suppression,
    Version,
)
from ctrain.domain.access import Role
from ctrain.domain.leases import daemon_lease, policy_lease
from ctrain.lifecycle.approval import approval_wanted
from ctrain.queries import FleetQueries
from ctrain.settings import Settings
from ctrain.store import SqlStore, open_store
from ctrain.telemetry.logs import Redactor
from ctrain.web.application import create_application
from ctrain.web.backend import Backend
from ctrain.web.rules import Rules
from ctrain.web.tokens import make_token
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START, decision, run, verdict
from tests.support.fakes import FakeClock

NOW = START + HOUR * 100
LOCAL = "127.0.0.1"


class SteadyTimer:
    """Real time that stands still until it is told to move."""

    def __init__(self) -> None:
        self.instant, self.seconds = NOW, 1000.0

    def now(self) -> Any:
        return self.instant

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.instant += timedelta(seconds=seconds)


@dataclass
class Web:
    """A server that nobody has to start, and whoever calls it."""

    folder: Path
    rules: Rules = field(default_factory=Rules)
    environ: Mapping[str, str] = field(default_factory=dict)
    logged: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    words: dict[Role, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "state.db").write_bytes(_migrated())
        self.store: SqlStore = open_store(f"sqlite:///{self.folder / 'state.db'}")
        self.clock, self.timer = FakeClock(NOW), SteadyTimer()
        for role in Role:
            self.words[role] = self.make_token(role.value, role)
        self.app = self.application()

    def application(self, **changes: Any) -> FastAPI:
        values: dict[str, Any] = {
            "settings": Settings.load(self.folder, {}),
            "store": self.store,
            "queries": FleetQueries(self.store, self.clock, self.environ),
            "clock": self.clock,
            "timer": self.timer,
            "actions": StoredActions(self.store, self.clock, self.timer, lambda _: False),
            "rules": self.rules,
            "environ": self.environ,
            "redact": Redactor(self.environ).redact,
            "log": lambda event, **fields: self.logged.append((event, fields)),
        }
        return create_application(Backend(**{**values, **changes}))

    def make_token(self, name: str, role: Role, **changes: Any) -> str:
        words, token = make_token(name, role, "ann", self.timer.now(), **changes)
        with self.store.write() as tx:
            tx.add_token(token)
        return words

    def with_daemon(self) -> Web:
        """A daemon lives and watches both policies of the story, as far as the store knows."""
        with self.store.write() as tx:
            for name in (daemon_lease("vm:1"), policy_lease(FLIGHTS), policy_lease(OTHER)):
                tx.acquire_lease(name, "vm:1", tx.database_now(), timedelta(hours=1))
        return self

    def ask(
        self,
        path: str,
        role: Role | None = None,
        method: str = "GET",
        *,
        words: str = "",
        peer: str = LOCAL,
        host: str = "localhost",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        **sent: Any,
    ) -> httpx.Response:
        """What is answered to somebody with this role, or with these words of a token."""
        given = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        shown = words or (self.words[role] if role else "")
        if shown:
            given.append(("Authorization", f"Bearer {shown}"))
        return asyncio.run(self._send(method, path, peer, f"http://{host}", given, sent))

    def post(self, path: str, role: Role | None = Role.OPERATOR, **more: Any) -> httpx.Response:
        return self.ask(path, role, "POST", **more)

    async def _send(
        self,
        method: str,
        path: str,
        peer: str,
        base: str,
        headers: list[tuple[str, str]],
        sent: dict[str, Any],
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(peer, 12345))
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, headers=headers, **sent)


@cache
def _migrated() -> bytes:
    """A database with the newest schema and nothing in it."""
    with TemporaryDirectory() as folder:
        open_store(f"sqlite:///{folder}/state.db").close()
        return Path(folder, "state.db").read_bytes()


def waiting_run(number: int = 3) -> Run:
    """A run that waits for a person."""
    found: dict[str, Any] = {"evaluation": {"gates": {"results": []}}, "shadow": {"rows": 100}}
    waiting = run(
        number, phase=Phase.AWAITING_APPROVAL, challenger_version=Version("4"), details=found, policy=OTHER
    )
    wanted = approval_wanted(waiting, None, START)
    return run(
        number,
        phase=Phase.AWAITING_APPROVAL,
        challenger_version=Version("4"),
        details={**found, "approval": wanted},
        policy=OTHER,
    )


def tell_story(store: SqlStore) -> None:
    """Two policies: one is breached and has had a run that compared, the other waits for an approval."""
    with store.write() as tx:
        brier = MonitorName("brier")
        tx.save_policy(FLIGHTS, "h1", "/policies/flight_delay.yaml", {"model": "flights"}, START, brier)
        tx.save_policy(OTHER, "h1", "/policies/other.yaml", {"model": "other"}, START)
        tx.save_champion(FLIGHTS, Champion(Version("3"), START, "promoted", START))
        for hours in range(5):
            status = Status.BREACHED if hours == 4 else Status.OK
            tx.record_verdict(FLIGHTS, "h1", verdict(hours=hours, status=status, value=hours / 10))
        fired = decision(outcome=Outcome.FIRED, reason="brier is BREACHED")
        held = decision(outcome=Outcome.SUPPRESSED, suppression=Suppression.COOLDOWN, reason="cooldown")
        for hours, one in enumerate((fired, held, decision())):
            tx.record_decision(FLIGHTS, "h1", one, START + HOUR * hours)
        tx.create_run(run(1))
        moved = run(1, phase=Phase.TRAINING)
        tx.save_run(moved, expected=Phase.QUEUED)
        for blocks in range(3):
            point = {"blocks": blocks, "rows": 10 * blocks, "mean": -0.01, "lower": None, "upper": None}
            tx.add_comparison_point(RunId("run-1"), Phase.SHADOWING, START + HOUR * blocks, point)
        tx.create_run(waiting_run())
        for number in range(4):
            at, version = START + HOUR * number, str(number + 1)
            message = f"version {version} is the champion"
            tx.append_event(Event(FLIGHTS, "promoted", at, "ctrain", message, evidence={"version": version}))

"""The web application on the store of a world, as a daemon's child serves it, with tokens for its roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from ctrain.app.web_actions import StoredActions
from ctrain.clocks import RealTimer
from ctrain.domain.access import Role
from ctrain.domain.leases import daemon_lease
from ctrain.ports import Clock, Store
from ctrain.queries import FleetQueries
from ctrain.settings import Settings
from ctrain.web.application import create_application
from ctrain.web.auth import COOKIE
from ctrain.web.backend import Backend
from ctrain.web.rules import Rules
from ctrain.web.tokens import make_token

HOST = "http://127.0.0.1:9464"
DAEMON = "here:1:2"


@dataclass
class Console:
    """An application with a token for each role; ``daemon_lives`` until it is told otherwise."""

    store: Store
    clock: Clock
    home: Path
    rules: Rules = field(default_factory=Rules)
    daemon_lives: bool = True

    def __post_init__(self) -> None:
        timer = RealTimer()
        queries = FleetQueries(self.store, self.clock, {}, self._is_gone)
        actions = StoredActions(self.store, self.clock, timer, self._is_gone)
        settings = Settings.load(self.home, {})
        self.logged: list[str] = []
        self.backend = Backend(
            settings=settings,
            store=self.store,
            queries=queries,
            clock=self.clock,
            timer=timer,
            actions=actions,
            rules=self.rules,
            log=self._log,
        )
        self.tokens: dict[Role, str] = {}
        with self.store.write() as tx:
            for role in Role:
                words, token = make_token(f"the-{role.value}", role, "ada", timer.now())
                tx.add_token(token)
                self.tokens[role] = words
        self.app: FastAPI = create_application(self.backend)

    def hold_lease(self) -> None:
        """Let a daemon live for an hour, as far as the database tells."""
        from datetime import timedelta

        with self.store.write() as tx:
            tx.acquire_lease(daemon_lease(DAEMON), DAEMON, tx.database_now(), timedelta(hours=1))

    def client(self, role: Role | None = None) -> TestClient:
        """A browser without JavaScript, logged in as ``role``."""
        client = TestClient(
            self.app,
            base_url=HOST,
            headers={"Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        if role is not None:
            client.cookies.set(COOKIE, self.tokens[role])
        return client

    def _is_gone(self, holder: str) -> bool:
        return not self.daemon_lives

    def _log(self, event: str, **fields: object) -> None:
        self.logged.append(f"{event} {fields.get('traceback', '')}")

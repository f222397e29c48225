"""The console on the store of a world, as a daemon's child serves it, with a token for each role."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from ctrain.app.web_actions import StoredActions
from ctrain.clocks import RealTimer
from ctrain.domain import Phase
from ctrain.domain.access import Role
from ctrain.domain.leases import daemon_lease, policy_lease
from ctrain.ports import Clock, Store
from ctrain.queries import FleetQueries
from ctrain.settings import Settings
from ctrain.web.application import create_application
from ctrain.web.auth import COOKIE
from ctrain.web.backend import Backend
from ctrain.web.rules import Rules
from ctrain.web.tokens import make_token
from tests.support.stories import POOR, QUICK, TRAINED_UNTIL, ask_to_train
from tests.support.world import START, World

HOST = "127.0.0.1:9464"
DAEMON = "here:1:2"
_APPROVAL = "promotion: {approval: manual, expires_after: 7d}"
MANUAL = QUICK.replace("probation: {", f"{_APPROVAL}\nprobation: {{").replace(
    "max_duration: 4d", "max_duration: 4d, slices: [kind]"
)
IMPORTANCE = {"x": 0.749, "kind": 0.151, "z": 0.1}
HOSTILE = "<script>alert('it')</script> & \"more\""


def waiting_world(folder: Path) -> World:
    """A poor champion, and a challenger that won in the shadow and waits for a person."""
    world = World(folder, policy_text=MANUAL, rows_per_hour=30)
    world.install(POOR, {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": str(TRAINED_UNTIL)})
    world.launcher.importance = IMPORTANCE
    world.land_together(48)
    world.settle()
    with world.store.write() as tx:
        path = str(world.folder / "clicks.yaml")
        tx.save_policy(world.name, world.watch.loaded.hash, path, {}, START)
    ask_to_train(world, note=HOSTILE)
    world.settle()
    world.land_together(20)
    world.settle()
    world.reach(Phase.AWAITING_APPROVAL)
    return world


class Console:
    """An application on a store; a daemon lives, as far as the database tells, unless it is left out."""

    def __init__(
        self, store: Store, clock: Clock, home: Path, rules: Rules | None = None, *, daemon: bool = True
    ) -> None:
        self.store, timer = store, RealTimer()
        self.logged: list[str] = []
        self.backend = Backend(
            settings=Settings.load(home, {}),
            store=store,
            queries=FleetQueries(store, clock, {}),
            clock=clock,
            timer=timer,
            actions=StoredActions(store, clock, timer, lambda _: False),
            rules=rules or Rules(),
            log=lambda event, **fields: self.logged.append(f"{event} {fields.get('traceback', '')}"),
        )
        self.tokens: dict[Role, str] = {}
        with store.write() as tx:
            for role in Role:
                words, token = make_token(f"the-{role.value}", role, "ada", timer.now())
                tx.add_token(token)
                self.tokens[role] = words
            if daemon:
                for name in (daemon_lease(DAEMON), *map(policy_lease, tx.policies())):
                    tx.acquire_lease(name, DAEMON, tx.database_now(), timedelta(hours=1))
        self.app = create_application(self.backend)

    def get(self, path: str, role: Role | None = None, **more: Any) -> httpx.Response:
        return self.ask("GET", path, role, **more)

    def submit(
        self, path: str, role: Role, data: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Open the page of an action and send its form, as a browser without JavaScript does."""
        hidden = fields_of(self.get(path, role).text)
        return self.ask("POST", path, role, data={**hidden, **(data or {})}, **more)

    def ask(
        self,
        method: str,
        path: str,
        role: Role | None = None,
        *,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **sent: Any,
    ) -> httpx.Response:
        """What a browser gets that is logged in as ``role``."""
        given = {**({COOKIE: self.tokens[role]} if role else {}), **(cookies or {})}
        origin = {"Origin": f"http://{HOST}"} if method == "POST" else {}
        shown = {"Accept": "text/html", **origin, **(headers or {})}
        if given:
            shown["Cookie"] = "; ".join(f"{name}={value}" for name, value in given.items())
        return asyncio.run(self._send(method, path, shown, sent))

    async def _send(
        self, method: str, path: str, headers: dict[str, str], sent: dict[str, Any]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, headers=headers, **sent)


def console_of(world: World, **more: Any) -> Console:
    """The console of a world."""
    return Console(world.store, world.clock, world.folder / "home", **more)


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of the form of an action."""
    form = html.partition('id="confirm"')[2]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))

"""A person at the keyboard: logs in, finds the run that waits, approves it, and sees it go on by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ctrain.domain import Event, Phase
from ctrain.domain.access import Role
from ctrain.web.auth import COOKIE
from tests.support.console import Console, console_of, waiting_world
from tests.support.world import START, World
from tests.waiting import wait_until

pytestmark = pytest.mark.service("chromium")
PATIENCE_MS = 60_000
"""Of a busy machine."""
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Served:
    """A console on an address of this machine, and the world behind it."""

    world: World
    console: Console
    address: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    world = waiting_world(tmp_path_factory.mktemp("browser") / "world")
    console = console_of(world)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            console.app, http="h11", ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        wait_until(lambda: server.started, 60, "the server")
        host, port = listening.getsockname()
        yield Served(world, console, f"http://{host}:{port}")
        server.should_exit = True
        thread.join()
    world.store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*SWITCHES])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A window in which nothing goes wrong silently: what a script or the browser complains of fails."""
    context = browser.new_context(base_url=served.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert wrong == []


def log_in(page: Page, served: Served) -> None:
    cookie = {"name": COOKIE, "value": served.console.tokens[Role.APPROVER], "url": served.address}
    page.context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict in Playwright's types


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what is called so, as whoever has no mouse does."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"the keyboard does not reach {name}")


@pytest.mark.parametrize(
    "path", ["/", "/policies/clicks", "/runs/clicks-1", "/runs/clicks-1/approve", "/events-log"]
)
def test_pages_are_accessible_in_both_themes_and_fit_a_phone(page: Page, served: Served, path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types

    log_in(page, served)
    page.goto(path)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = Axe().run(page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"]) for one in grave] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [1280, 390])
def test_the_importance_of_a_feature_is_a_line(page: Page, served: Served, width: int) -> None:
    log_in(page, served)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/runs/clicks-1")
    shares = page.locator("#training .bars td.num")
    expect(shares).to_have_text(["74.9%", "15.1%", "10.0%"])
    for share in shares.all():
        lines = share.evaluate(
            "cell => { const words = document.createRange(); words.selectNodeContents(cell);"
            " return words.getClientRects().length }"
        )
        assert lines == 1
        assert share.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    bars = page.locator("#training .bars svg")
    assert min(bar.bounding_box()["width"] for bar in bars.all()) > 60  # type: ignore[index]  # all are shown


def test_a_headline_with_a_long_word_fits_a_phone(page: Page, served: Served) -> None:
    world = served.world
    away = Event(world.name, "registry_unreadable", START, "ctrain", f"MLflow at sqlite:///{'home' * 20}")
    with world.store.write() as tx:
        tx.append_event(away)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/policies/clicks")
    lead = page.locator("#headline .lead span")
    expect(lead).to_contain_text("homehome", timeout=PATIENCE_MS)
    right = lead.evaluate("one => one.getBoundingClientRect().right")
    with world.store.write() as tx:
        tx.append_event(replace(away, kind="registry_readable"))
    assert right <= 390


def test_a_person_approves_by_keyboard_and_sees_the_run_go_on(page: Page, served: Served) -> None:
    page.goto("/login?next=/")
    expect(page.get_by_label("Token")).to_be_focused(timeout=PATIENCE_MS)
    page.keyboard.type(served.console.tokens[Role.APPROVER])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Policies")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Find a policy").focus()
    page.keyboard.type("cli")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 policy")).to_be_visible(timeout=PATIENCE_MS)
    tab_to(page, "clicks")
    page.keyboard.press("Enter")
    expect(page.get_by_text("waits for a person to approve")).to_be_visible(timeout=PATIENCE_MS)
    tab_to(page, "clicks-1")
    page.keyboard.press("Enter")
    expect(page.locator(".title .pill")).to_have_text("Awaiting approval", timeout=PATIENCE_MS)
    tab_to(page, "Approve…")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("moves from version 1 to version 2", timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0, timeout=PATIENCE_MS)
    assert page.evaluate("document.activeElement.textContent") == "Approve…"
    page.keyboard.press("Enter")
    dialog.get_by_label("Reason").fill("looked at it")
    page.keyboard.press("Enter")
    expect(page.locator("#asked")).to_contain_text("a daemon answers within seconds", timeout=PATIENCE_MS)
    page.evaluate("window.sameWindow = true")
    served.world.settle()
    assert served.world.runs()[-1].phase is Phase.PROBATION
    expect(page.locator("#asked")).to_contain_text("done: run clicks-1", timeout=PATIENCE_MS)
    expect(page.locator(".title .pill")).to_have_text("Probation", timeout=PATIENCE_MS)
    expect(page.locator("#said")).to_have_text("run clicks-1 is PROBATION", timeout=PATIENCE_MS)
    assert page.evaluate("window.sameWindow") is True

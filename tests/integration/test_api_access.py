"""Who may call what: every route with every role, and whatever may be wrong with a caller."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request, Response
from fastapi.routing import APIRoute, iter_route_contexts

from ctrain.app.web_backend import open_backend
from ctrain.domain.access import Role
from ctrain.settings import Settings
from ctrain.sources.push_body import MOST_BYTES
from ctrain.store import SqlStore
from ctrain.web.application import LONGEST_DETAIL, create_application
from ctrain.web.auth import COOKIE, Needs, public
from ctrain.web.backend import DaemonAnswer
from ctrain.web.console.live import Pulse
from ctrain.web.failures import FAILURES, WINDOW_SECONDS
from ctrain.web.guards import BODY_BYTES, Guards
from ctrain.web.rules import Rules, rules_for
from tests.support.ports import free_port
from tests.support.web import Web, tell_story

POLICIES = "/v1/policies"
PAUSE = "/v1/policies/flight-delay/pause"
APPROVE = "/v1/runs/run-3/approve"
OUTSIDE = Rules(loopback=False)
WRONG = "ctrain_000000000000_" + "x" * 43
PUBLIC = {
    *("/metrics", "/-/healthy", "/-/ready", "/-/alive"),
    *("/login", "/logout", "/theme"),
}
"""Whoever adds a route for everybody says so here; what is shown to draw pages with is public, too."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Web:
    web = Web(tmp_path_factory.mktemp("web"), OUTSIDE)
    tell_story(web.store)
    return web


@dataclass(frozen=True)
class Known:
    """A route with the dependencies of all routers around it."""

    path: str
    methods: frozenset[str]
    calls: frozenset[Any]


def routes(web: Web) -> Iterator[Known]:
    for found in iter_route_contexts(web.app.routes):
        assert isinstance(found.original_route, APIRoute), (
            f"{found.path} knows no roles: make it an API route"
        )
        calls = frozenset(part.call for part in found.dependant.dependencies)
        yield Known(str(found.path), frozenset(found.methods or ()), calls)


def needed(route: Known) -> set[Any]:
    found = route.calls
    return {one.role for one in found if isinstance(one, Needs)} | {one for one in found if one is public}


def path_of(route: Known) -> str:
    """The path with something in the places of its parameters that is not there."""
    return re.sub(r"\{(number)\}", "99", re.sub(r"\{(?!number)\w+(:path)?\}", "nothing", route.path))


def test_every_route_says_who_may_call_it(web: Web) -> None:
    for route in routes(web):
        roles = needed(route)
        assert roles, f"{route.path} says neither which role it needs nor that it is public"
        if public in roles:
            assert route.path in PUBLIC or route.path.startswith("/static/"), f"{route.path} is public"
        if route.methods & {"POST", "PUT", "PATCH", "DELETE"} and public not in roles:
            assert roles & {Role.OPERATOR, Role.APPROVER, Role.WRITER}, f"{route.path} changes something"


def test_who_may_approve_is_an_approver(web: Web) -> None:
    answering = {
        route.path: needed(route)
        for route in routes(web)
        if route.path.endswith(("/approve", "/reject")) and route.path.startswith("/v1")
    }
    assert len(answering) == 2
    assert all(Role.APPROVER in roles for roles in answering.values()), answering


def test_every_route_with_every_role_and_without_a_token(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused is who lacks a role that the route needs; nobody else is."""
    monkeypatch.setattr("ctrain.web.console.live.MOST_PAGES", 0)  # a stream would have no end
    for route in routes(web):
        roles = needed(route) - {public}
        if not roles:
            continue
        for method in route.methods & {"GET", "POST"}:
            path = path_of(route)
            assert web.ask(path, method=method).status_code == 401, path
            for role in Role:
                answer = web.ask(path, role, method)
                lacks = answer.status_code == 403 and "and this is for" in answer.text
                allowed = all(role.includes(one) for one in roles)
                assert lacks is not allowed, f"{method} {path} as {role}: {answer.status_code}"
                assert answer.status_code != 401, f"{method} {path} as {role}"


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/-/alive"])
def test_probes_need_no_token(web: Web, path: str) -> None:
    assert web.ask(path).status_code == 200


def test_on_loopback_reading_needs_no_token_and_acting_does(tmp_path: Path) -> None:
    web = Web(tmp_path)
    tell_story(web.store)
    assert web.ask(POLICIES).status_code == 200
    assert web.ask("/v1/whoami").json() == {
        "name": "somebody on this machine",
        "role": "viewer",
        "actor": "somebody on this machine",
    }
    answer = web.ask(PAUSE, method="POST")
    assert answer.status_code == 403
    with web.store.read() as tx:
        assert not any(tx.paused(name) for name in tx.policies())


def test_a_wrong_token_is_refused_on_loopback_too(tmp_path: Path) -> None:
    answer = Web(tmp_path).ask(POLICIES, words=WRONG)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "ctrain token create" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "", "bearer x y"])
def test_odd_authorization_is_refused_and_counts_as_no_guess(web: Web, header: str) -> None:
    sent = {"Authorization": header, "Cookie": f"{COOKIE}={web.words[Role.VIEWER]}"}
    for _ in range(FAILURES + 1):
        assert web.ask(POLICIES, headers=sent, peer="10.9.9.9").status_code == 401


def test_a_token_ends(tmp_path: Path) -> None:
    web = Web(tmp_path, OUTSIDE)
    words = web.make_token("short", Role.VIEWER, expires_at=web.timer.now() + timedelta(hours=1))
    assert web.ask(POLICIES, words=words).status_code == 200
    web.timer.advance(3600)
    assert web.ask(POLICIES, words=words).status_code == 401


def test_a_revoked_token_counts_no_more(tmp_path: Path) -> None:
    web = Web(tmp_path, OUTSIDE)
    with web.store.write() as tx:
        tx.revoke_token("viewer", web.timer.now())
    assert web.ask(POLICIES, Role.VIEWER).status_code == 401
    assert web.ask(POLICIES, Role.OPERATOR).status_code == 200


def test_an_open_stream_ends_when_its_token_is_revoked(tmp_path: Path) -> None:
    web = Web(tmp_path, OUTSIDE)
    web.app.state.pulse = Pulse(lambda: (1,), every_seconds=0.001, beat_seconds=0.001)
    told: list[Any] = []

    async def silent() -> Any:
        await asyncio.Event().wait()

    async def answer(message: Any) -> None:
        told.append(message)
        if len(told) == 4:
            with web.store.write() as tx:
                tx.revoke_token("viewer", web.timer.now())

    words = web.words[Role.VIEWER]
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {words}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": headers}

    async def listen() -> None:
        async with asyncio.timeout(30):
            await web.app(scope, silent, answer)

    asyncio.run(listen())
    assert told[0]["status"] == 200
    assert told[-1]["more_body"] is False
    assert ("token_refused", {"address": ""}) in web.logged


def test_the_last_use_of_a_token_is_noted_now_and_then(tmp_path: Path) -> None:
    web = Web(tmp_path, OUTSIDE)
    noted = []
    for _ in range(3):
        web.ask(POLICIES, Role.VIEWER)
        noted.append(last_use(web.store, "viewer"))
        web.timer.advance(301)
    assert noted[0] == noted[1] == web.timer.now() - timedelta(seconds=903)
    assert noted[2] == web.timer.now() - timedelta(seconds=301)


def last_use(store: SqlStore, name: str) -> Any:
    with store.read() as tx:
        return next(one.last_used_at for one in tx.tokens() if one.name == name)


def test_too_many_wrong_tokens_are_answered_429_and_right_ones_pass(tmp_path: Path) -> None:
    web = Web(tmp_path, OUTSIDE)
    guesses = [web.ask(POLICIES, words=WRONG).status_code for _ in range(FAILURES)]
    assert guesses == [401] * FAILURES
    answer = web.ask(POLICIES, words=WRONG)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(int(WINDOW_SECONDS)))
    assert web.ask(POLICIES, Role.VIEWER).status_code == 200
    assert web.ask(POLICIES, words=WRONG, peer="10.0.0.9").status_code == 401
    web.timer.advance(WINDOW_SECONDS)
    assert web.ask(POLICIES, words=WRONG).status_code == 401
    assert not any(words in str(web.logged) for words in web.words.values())


PROXY = rules_for(
    "127.0.0.1",
    {
        "CTRAIN_AUTH_HEADER": "X-User",
        "CTRAIN_AUTH_ROLE_HEADER": "X-Roles",
        "CTRAIN_TRUSTED_PROXIES": "10.0.0.7",
    },
)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.7", {"X-User": "ann"}, ("user ann", "viewer")),
        ("10.0.0.7", {"X-User": "ann", "X-Roles": "people, approver,viewer"}, ("user ann", "approver")),
        ("::ffff:10.0.0.7", {"X-User": "ann", "X-Roles": "Operator"}, ("user ann", "operator")),
        ("10.0.0.8", {"X-User": "ann", "X-Roles": "approver"}, None),
        ("127.0.0.1", {"X-User": "ann", "X-Roles": "approver"}, None),
        ("10.0.0.7", {"X-Roles": "approver"}, None),
        ("10.0.0.7", {"X-User": ""}, None),
    ],
)
def test_a_proxys_word_counts_from_its_own_address_alone(
    tmp_path: Path, peer: str, headers: dict[str, str], expected: tuple[str, str] | None
) -> None:
    answer = Web(tmp_path, PROXY).ask("/v1/whoami", peer=peer, headers=headers)
    if expected is None:
        assert answer.status_code == 401
    else:
        assert (answer.json()["actor"], answer.json()["role"]) == expected


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer eyJhbGciOi.x.y", "Negotiate x"])
def test_what_a_proxy_asked_for_itself_is_not_ours_to_judge(tmp_path: Path, header: str) -> None:
    web, sent = Web(tmp_path, PROXY), {"Authorization": header}
    for _ in range(FAILURES + 1):
        answer = web.ask("/v1/whoami", peer="10.0.0.7", headers={**sent, "X-User": "ann"})
        assert answer.json()["actor"] == "user ann"
    assert web.ask("/v1/whoami", peer="10.0.0.7", headers=sent).status_code == 401
    token = {"X-User": "ann", "Authorization": f"Bearer {web.words[Role.VIEWER]}"}
    assert web.ask("/v1/whoami", peer="10.0.0.7", headers=token).json()["actor"] == "token viewer"


def test_behind_a_proxy_failures_are_counted_by_whom_it_names(tmp_path: Path) -> None:
    web = Web(tmp_path, rules_for("127.0.0.1", {"CTRAIN_TRUSTED_PROXIES": "10.0.0.7"}))

    def guess(*forwarded: str) -> int:
        headers = [("Authorization", f"Bearer {WRONG}"), *(("X-Forwarded-For", one) for one in forwarded)]
        return web.ask(POLICIES, peer="10.0.0.7", headers=headers).status_code

    assert web.ask(POLICIES).status_code == 401  # a proxy may let the world in
    assert [guess(f"1.2.3.{number}", "203.0.113.5, 10.0.0.7") for number in range(FAILURES + 1)][-1] == 429
    assert guess("203.0.113.5, 203.0.113.6") == 401


@pytest.mark.parametrize("twice", ["X-User", "X-Roles"])
def test_a_header_that_says_who_is_there_comes_once(tmp_path: Path, twice: str) -> None:
    headers = [("X-User", "ann"), ("X-Roles", "viewer"), (twice, "approver")]
    answer = Web(tmp_path, PROXY).ask("/v1/whoami", peer="10.0.0.7", headers=headers)
    assert (answer.status_code, f"header {twice} came twice" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("peer", "told", "secure"),
    [("10.0.0.7", "https", True), ("10.0.0.7", "http", False), ("10.0.0.8", "https", False)],
)
def test_behind_a_proxy_that_speaks_tls_the_cookie_is_secure(
    tmp_path: Path, peer: str, told: str, secure: bool
) -> None:
    web = Web(tmp_path, PROXY)
    headers, data = {"X-Forwarded-Proto": told}, {"token": web.words[Role.VIEWER]}
    cookie = web.ask("/login", method="POST", peer=peer, headers=headers, data=data).headers["set-cookie"]
    assert ("Secure" in cookie.split("; ")) is secure


def test_a_login_forgets_only_a_token_that_is_wrong(tmp_path: Path) -> None:
    web = Web(tmp_path, OUTSIDE)
    for _ in range(FAILURES):
        web.ask(POLICIES, words=WRONG)
    for cookie in (web.words[Role.VIEWER], WRONG):  # of the second it is not known now
        answer = web.ask("/login", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    web.timer.advance(WINDOW_SECONDS)
    assert "Max-Age=0" in web.ask("/login", headers={"Cookie": f"{COOKIE}={WRONG}"}).headers["set-cookie"]


def test_half_an_address_is_no_fault(web: Web) -> None:
    answer = web.ask("/login?next=//[")
    assert (answer.status_code, 'name="next" value="/"' in answer.text) == (200, True)
    headers = {"Origin": "http://[", "Cookie": f"{COOKIE}={web.words[Role.OPERATOR]}"}
    for path in ("/theme", PAUSE):
        assert web.ask(path, method="POST", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/login"])
def test_what_a_browser_reads_may_be_looked_for(web: Web, path: str) -> None:
    assert web.ask(path, Role.VIEWER, "HEAD").status_code == 200


@pytest.mark.parametrize("place", ["/policies/flight-delay?asked", "/runs/run-1?asked", "/events-log?before"])
def test_no_number_is_beyond_what_a_database_holds(web: Web, place: str) -> None:
    assert web.ask(f"{place}={2**63 - 1}", Role.VIEWER).status_code == 200
    for number in (2**63, 0, -1):
        assert web.ask(f"{place}={number}", Role.VIEWER).status_code == 422


def test_a_caller_that_hangs_up_is_no_fault() -> None:
    told: list[Any] = []

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        await Request(scope, receive, send).body()

    async def hang_up() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def answer(message: Any) -> None:
        told.append(message)

    def note(*event: Any, **fields: Any) -> None:
        told.append((event, fields))

    guards = Guards(reads, Rules(), note, lambda *_: Response(status_code=500))
    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    asyncio.run(guards(scope, hang_up, answer))
    assert told == []


def test_as_much_of_a_batch_is_read_as_a_batch_may_have(web: Web) -> None:
    headers = {"Content-Length": str(MOST_BYTES + 1)}
    answer = web.ask("/v1/policies/flight-delay/rows", Role.WRITER, "POST", headers=headers)
    assert (answer.status_code, str(MOST_BYTES) in answer.text) == (413, True)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 200),
        ("http://LOCALHOST", 200),
        ("http://evil.example", 403),
        ("http://localhost:81", 403),
        ("null", 403),
        (None, 403),
    ],
)
def test_a_cookie_acts_for_our_own_pages_alone(tmp_path: Path, origin: str | None, status: int) -> None:
    web = Web(tmp_path)
    tell_story(web.store)
    headers = {"Cookie": f"{COOKIE}={web.words[Role.OPERATOR]}"}
    if origin is not None:
        headers["Origin"] = origin
    assert web.ask(PAUSE, method="POST", headers=headers).status_code == status
    assert web.ask(POLICIES, headers=headers).status_code == 200


def test_a_proxys_session_does_not_act_for_a_foreign_page(tmp_path: Path) -> None:
    web = Web(tmp_path, PROXY)
    tell_story(web.store)
    headers = {"X-User": "ann", "X-Roles": "operator"}
    for origin, status in (("http://evil.example", 403), ("http://localhost", 200)):
        sent = {**headers, "Origin": origin}
        assert web.ask(PAUSE, method="POST", peer="10.0.0.7", headers=sent).status_code == status


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:9464", 200), ("127.0.0.1", 200), ("[::1]:1", 200), ("evil.example", 421)]
)
def test_a_foreign_name_is_refused_before_anything_else(tmp_path: Path, host: str, status: int) -> None:
    web = Web(tmp_path)
    for path in (POLICIES, "/-/healthy"):
        assert web.ask(path, host=host).status_code == status


def test_every_answer_has_the_headers_that_protect(web: Web) -> None:
    for path in (POLICIES, "/-/healthy", "/v1/nothing"):
        headers = web.ask(path, Role.VIEWER).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers
        assert "server" not in headers


def test_no_other_site_may_read_answers(web: Web) -> None:
    sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "OPTIONS"):
        answer = web.ask(POLICIES, Role.VIEWER, method, headers=sent)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_under_tls_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    web = Web(tmp_path, Rules(tls=True))
    assert "max-age" in web.ask(POLICIES).headers["Strict-Transport-Security"]


def test_large_bodies_are_refused_whether_announced_or_not(web: Web) -> None:
    large = b'{"reason": "' + b"x" * BODY_BYTES + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    for content in (large, pieces()):
        answer = web.post(PAUSE.replace("pause", "trigger"), content=content)
        assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_secrets_of_the_environment_are_in_no_answer(tmp_path: Path) -> None:
    web = Web(tmp_path, environ={"ORIGIN_PASSWORD": "h1dden-word", "DB": "postgresql://ann:pa55word@db/x"})
    tell_story(web.store)
    told = "cannot open https://bob:s3cret-key@host/x with h1dden-word at postgresql://ann:pa55word@db/x"
    answer = web.post("/v1/policies/flight-delay/trigger", json={"reason": told})
    shown = answer.text + web.ask(f"/v1/requests/{answer.json()['id']}").text
    assert "cannot open" in shown
    assert not [one for one in ("h1dden-word", "pa55word", "s3cret-key") if one in shown]


def test_what_was_sent_is_not_said_back_at_any_length(web: Web) -> None:
    answer = web.ask(f"/static/x/{'y' * 20_000}")
    assert (answer.status_code, len(answer.json()["detail"])) == (404, LONGEST_DETAIL + 3)


def test_a_fault_of_ours_is_logged_and_not_told(tmp_path: Path) -> None:
    web = Web(tmp_path)

    class Broken:
        def overview(self) -> None:
            raise RuntimeError("inner workings")

    web.app = web.application(queries=Broken())
    answer = web.ask(POLICIES)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "inner" not in answer.text
    assert [event for event, fields in web.logged if "inner workings" in str(fields)] == ["request_failed"]


def test_a_database_that_does_not_answer_is_a_problem_that_passes(tmp_path: Path) -> None:
    from ctrain.errors import TransientError

    web = Web(tmp_path)

    class Away:
        def overview(self) -> None:
            raise TransientError("cannot connect to db.internal:5432")

    web.app = web.application(queries=Away())
    answer = web.ask(POLICIES)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "internal" not in answer.text


class Well:
    """A daemon that answers."""

    def fetch(self, path: str, accept: str = "") -> DaemonAnswer:
        return DaemonAnswer(200, f"{path} {accept}".encode(), "text/plain")


def test_metrics_are_told_while_the_database_is_away(tmp_path: Path) -> None:
    away = {"CTRAIN_DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/none"}
    web = Web(tmp_path)
    web.app = create_application(open_backend(Settings.load(tmp_path, away), {}, Rules(), Well()))
    assert web.ask("/metrics", headers={"Accept": "text/plain"}).text == "/metrics text/plain"
    answer = web.ask(POLICIES)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert "the database does not answer" in answer.json()["detail"]

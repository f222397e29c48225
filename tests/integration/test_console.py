"""The console as a browser without JavaScript gets it, on a run that a real engine made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import (
    Champion,
    Event,
    MonitorName,
    Phase,
    PolicyName,
    Request,
    Status,
    Verdict,
    Version,
)
from ctrain.domain.access import Role
from ctrain.errors import TransientError
from ctrain.queries import FleetQueries, fleet, pages
from ctrain.queries.judged import JudgedTable, Line
from ctrain.queries.limits import limits_left
from ctrain.settings import Settings
from ctrain.store import open_store
from ctrain.web.auth import COOKIE
from ctrain.web.rules import Rules
from tests.support.console import HOST, HOSTILE, Console, console_of, waiting_world
from tests.support.fakes import FakeClock
from tests.support.world import HOUR, POLICY, START, World

RUN = "/runs/clicks-1"


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> World:
    return waiting_world(tmp_path_factory.mktemp("console") / "world")


@pytest.fixture(scope="module")
def console(waiting: World, tmp_path_factory: pytest.TempPathFactory) -> Console:
    """For tests that only read."""
    return console_of(waiting.branch(tmp_path_factory.mktemp("reading") / "world"))


@pytest.fixture
def world(waiting: World, tmp_path: Path) -> Iterator[World]:
    """A world of its own, for tests that act."""
    world = waiting.branch(tmp_path / "world")
    yield world
    world.store.close()


def asked(world: World, address: str) -> Request:
    """The request that a form has put on record, as the address says to which it leads."""
    number = re.fullmatch(r".*\?asked=(\d+)", address)
    assert number, address
    with world.store.read() as tx:
        found = tx.request(int(number[1]))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", ["clicks", "waiting for approval", "1 daemon running"]),
        ("/?q=click&sort=name&state=approval", ["1 policy"]),
        ("/?q=nothing", ["No policy matches."]),
        (
            "/policies/clicks",
            ["Run clicks-1 waits for a person", "What happened", "Drift by feature", "brier"],
        ),
        (RUN, ["Awaiting approval", "kind=", "roc_auc", "Model card", "An answer counts for version 2"]),
        ("/events-log?policy=clicks&matter=runs", ["run awaiting approval", "clicks-1"]),
        ("/login", ["Log in", "ctrain token create"]),
    ],
)
def test_pages_say_what_is_going_on(console: Console, path: str, words: list[str]) -> None:
    answer = console.get(path, Role.VIEWER)
    text = unescape(re.sub(r"<[^>]+>", " ", answer.text))
    assert answer.status_code == 200, console.logged
    assert [one for one in words if one not in " ".join(text.split())] == []


@pytest.mark.parametrize("path", ["/", "/policies/clicks", RUN, "/events-log", "/login", "/nowhere"])
def test_pages_hold_no_script_or_style_and_ask_nobody_else(console: Console, path: str) -> None:
    html = console.get(path, Role.APPROVER).text
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"<style| style=| on\w+=", html) == []
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*', html) == []


@pytest.mark.parametrize(
    ("tracking_uri", "run", "command"),
    [
        ("https://me:key@mlflow.example/ml/", 'href="https://mlflow.example/ml/#/runs/{}"', ""),
        ("postgresql://me:key@db/mlflow", "", 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'),
        ("", "", "mlflow ui --backend-store-uri sqlite:///{}/mlflow.db"),
    ],
)
def test_the_run_in_mlflow_is_linked_or_how_to_open_it_is_said(
    world: World, tracking_uri: str, run: str, command: str
) -> None:
    console = console_of(world)
    home = console.backend.settings.home
    home.mkdir(exist_ok=True)
    (home / "mlflow.db").touch()
    settings = Settings.load(home, {"MLFLOW_TRACKING_URI": tracking_uri})
    console.app.state.backend = replace(console.backend, settings=settings)
    html = console.get(RUN).text
    assert world.runs()[-1].mlflow_run_id
    assert run.format(world.runs()[-1].mlflow_run_id) in html
    assert command.format(home) in unescape(html)
    assert (html.count("/#/runs/"), "mlflow ui" in html) == (bool(run), bool(command))
    assert "key@" not in html


def test_reports_that_are_attached_to_the_mlflow_run_are_named(world: World) -> None:
    console = console_of(world)
    assert "in pictures" not in console.get(RUN).text
    files, run = {"files": ["inputs-over-time.png", "report.html"]}, world.runs()[-1]
    told = Event(world.name, "explained", world.clock.now(), "ctrain", "2 files", run.id, "", files)
    with world.store.write() as tx:
        tx.append_event(told)
    text = " ".join(re.sub(r"<[^>]+>", " ", console.get(RUN).text).split())
    assert "Not on this host; kept under explanation" in text
    assert "the MLflow run: inputs-over-time.png, report.html" in text
    folder = console.backend.settings.runs_folder / run.id / "explanation"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<p>drift</p>")
    html = console.get(RUN).text
    (report,) = re.findall(r'href="([^"]+/pictures/report.html)" download', html)
    assert console.get(report).headers["content-disposition"] == 'attachment; filename="report.html"'
    assert "Not on this host" not in html


@pytest.mark.parametrize(
    ("path", "compressed"),
    [
        ("/", True),
        (RUN, True),
        ("/policies/clicks", True),
        ("/v1/policies", True),
        (f"{RUN}/approve", False),
        (f"{RUN}/cancel?guess=1f", False),
        ("/policies/clicks/rollback", False),
    ],
)
def test_pages_are_compressed_unless_they_hold_the_secret_of_a_form(
    console: Console, path: str, compressed: bool
) -> None:
    answer = console.get(path, Role.APPROVER, headers={"Accept-Encoding": "gzip"})
    assert ('name="csrf"' in answer.text, "gzip" in answer.headers.get("content-encoding", "")) == (
        not compressed,
        compressed,
    )
    assert ("no-transform" in answer.headers["cache-control"]) is not compressed
    assert "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("kind", "end", "told"),
    [
        (
            "policy_refused",
            "policy_accepted",
            "Its file is refused, so at best the last good one is in force: since",
        ),
        ("tick_failed", "tick_recovered", "Its ticks fail, so nobody looks after it: since"),
    ],
)
def test_the_page_of_a_policy_tells_the_trouble_that_the_overview_tells(
    world: World, kind: str, end: str, told: str
) -> None:
    console = console_of(world)
    for happened in (kind, end):
        with world.store.write() as tx:
            tx.append_event(Event(world.name, happened, world.clock.now(), "ctrain", "line 7: as it is."))
        (line,) = console.get("/v1/policies").json()["policies"]
        answer = console.get("/v1/policies/clicks").json()
        html = console.get("/policies/clicks").text
        lead, troubled = text_of(html, '<p class="lead">', "</p>"), happened == kind
        panel = text_of(html, '<section class="panel headline', "</section>")
        assert (line["health"] == "trouble", "headline trouble" in html) == (troubled, troubled)
        assert [one["message"] for one in answer["troubles"]] == ["line 7: as it is."] * troubled
        assert (told in lead, "line 7: as it is. clicks-1" in lead) == (troubled, troubled)
        assert ("run clicks-1 waits for a person: see" in panel) == troubled
        assert (told.lower() in " ".join(console.get("/v1/policies/clicks/why").json()["notes"]).lower()) == (
            troubled
        )


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({}, "Budget left no limit no budget is set"),
        (
            {"budget_runs_left": 22, "training_time_left": timedelta(0), "training_time_frees_at": 2 * HOUR},
            "Budget left 22 runs none of training time; enough for a run in 2h",
        ),
        (
            {"budget_runs_left": 0, "budget_frees_at": HOUR, "training_time_left": 3 * HOUR},
            "Budget left 0 runs the next frees in 1h 3h of training time",
        ),
        ({"training_time_left": 3 * HOUR}, "Budget left 3h of training time"),
        (
            {"training_time_left": timedelta(0), "training_time_frees_at": HOUR},
            "Budget left none of training time; enough for a run in 1h",
        ),
    ],
)
def test_both_budgets_are_told_and_when_they_free(
    console: Console, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], told: str
) -> None:
    now = console.backend.clock.now()
    given = {name: now + one if name.endswith("_at") else one for name, one in limits.items()}
    monkeypatch.setattr(fleet, "limits_left", lambda *asked: replace(limits_left(*asked), **given))
    assert text_of(console.get("/policies/clicks").text, '<div id="budget">', "</div>") == told


def change_run(world: World, **details: Any) -> None:
    run = world.runs()[-1]
    with world.store.write() as tx:
        tx.save_run(replace(run, details={**run.details, **details}), expected=run.phase)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (
            {"n": 1200, "note": "only 90 of them are later"},
            "judged on 1,200 held-out rows; only 90 of them are",
        ),
        ({"n": 0, "note": "only 0 held-out rows are later"}, "only 0 held-out rows are later"),
        ({"n": 1, "note": ""}, "judged on 1 held-out row"),
    ],
)
def test_what_the_gates_were_judged_on_is_told_by_the_parts_there_are(
    world: World, report: dict[str, Any], told: str
) -> None:
    evaluation = world.runs()[-1].details["evaluation"]
    change_run(world, evaluation={**evaluation, "gates": {**evaluation["gates"], **report}})
    assert text_of(console_of(world).get(RUN).text, '<p class="soft pad">', "</p>").startswith(told)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        (
            {"reused": "clicks-0", "attempt": 1},
            "Nothing was trained: the version is that of clicks-0, whose page",
        ),
        ({}, "Training has not begun."),
        ({"attempt": 1}, "No log lies on this host"),
    ],
)
def test_a_run_without_a_log_says_why(world: World, training: dict[str, Any], told: str) -> None:
    change_run(world, training=training)
    html = console_of(world).get(RUN).text
    assert told in text_of(html, '<section class="panel" id="log"', "</section>")


@pytest.mark.parametrize(
    ("policy", "performance", "drift"),
    [
        (
            POLICY,
            "Nothing yet: error, brier have given no verdict.",
            "Nothing yet: inputs has given no verdict.",
        ),
        (
            re.sub(r"  (inputs|error|brier): .*\n", "", POLICY).replace("any: [brier]", "any: [fresh]"),
            "No monitor of this policy judges how good the champion is",
            "No monitor of this policy looks at features",
        ),
        ("unreadable", "neither a file of this policy nor a run", "neither a file of this policy nor a run"),
    ],
)
def test_a_policy_without_values_says_why_a_section_is_empty(
    tmp_path: Path, policy: str, performance: str, drift: str
) -> None:
    path = tmp_path / "clicks.yaml"
    path.write_text(policy)
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    with store.write() as tx:
        tx.save_policy(PolicyName("clicks"), "h1", str(path), {}, START)
    html = Console(store, FakeClock(START), tmp_path).get("/policies/clicks").text
    assert performance in text_of(html, '<section class="panel" id="performance"', "</section>")
    assert drift in text_of(html, '<section class="panel" id="heat"', "</section>")
    store.close()


def test_monitors_that_could_not_tell_say_why_in_their_sections(tmp_path: Path) -> None:
    path = tmp_path / "clicks.yaml"
    path.write_text(POLICY)
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    clicks = PolicyName("clicks")
    with store.write() as tx:
        tx.save_policy(clicks, "h1", str(path), {}, START)
        tx.save_champion(clicks, Champion(Version("2"), START + 2 * HOUR, "promoted", START))
        for name in ("brier", "inputs"):
            blind = Verdict(
                MonitorName(name), START, Status.INCONCLUSIVE, None, None, 0, "there is no champion"
            )
            tx.record_verdict(clicks, "h1", blind)
    html = Console(store, FakeClock(START + 3 * HOUR), tmp_path).get("/policies/clicks").text
    shown = text_of(html, '<section class="panel" id="performance"', "</section>")
    assert "brier has given no value in this stretch: there is no champion (3h ago)." in shown
    shown = text_of(html, '<section class="panel" id="heat"', "</section>")
    assert "inputs has tested no feature in this stretch: there is no champion (3h ago)." in shown
    notes = text_of(html, '<ul class="notes">', "</ul>")
    assert notes.count("INCONCLUSIVE as of 2024-01-01 00:00 UTC, before version 2 became the champion") == 2
    store.close()


def text_of(html: str, start: str, end: str) -> str:
    """The words between the first ``start`` and the ``end`` that follows; the start must be there."""
    assert start in html
    inner = html.partition(start)[2].partition(end)[0]
    inner = inner if start.endswith(">") else inner.partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", inner)).split()).replace(" ,", ",")


def test_a_run_shows_metrics_of_both_models_and_why_serving_was_not_measured(console: Console) -> None:
    html = console.get(RUN, Role.VIEWER).text
    shown = text_of(html, '<section class="panel flush" id="metrics"', "</section>")
    assert shown.startswith("Metrics on held-out rows Metric Version 2 Champion, version 1 Difference")
    assert re.search(r" Difference brier [\d.]+ [\d.]+ −[\d.]+ better ", shown)
    for metric in ("roc auc", "f1", "log loss", "calibration error"):
        assert re.search(rf" {metric} [\d.]+ [\d.]+ (0 |[+−][\d.]+ better )", shown), metric
    assert re.search(
        r"Both on the same [\d,]+ held-out rows\. No gate of the policy looks at groups\.$", shown
    )
    shown = text_of(html, '<section class="panel flush" id="serving"', "</section>")
    assert shown == "Serving Not measured: no gate of the policy asks for latency, size or signature."


def test_a_run_shows_gaps_between_groups_and_what_serving_costs(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ("version 2", "champion, version 1")
    gaps = (Line("brier by kind: gap", (0.25, 0.125), limit=0.3), Line(f"kind={HOSTILE}", (0.5, None)))
    served = (Line("size, in bytes", (5000, 4000)), Line("same scores for the same rows", (True, None)))
    monkeypatch.setattr(pages, "groups_of", lambda _: JudgedTable(columns, gaps, ""))
    monkeypatch.setattr(pages, "serving_of", lambda _: JudgedTable(columns, served, "and so on"))
    html = console.get(RUN, Role.VIEWER).text
    shown = text_of(html, '<section class="panel flush" id="metrics"', "</section>")
    assert "Groups Metric Version 2 Champion, version 1 Limit brier by kind: gap 0.25 0.125 0.3 " in shown
    assert shown.endswith(f"kind={HOSTILE} 0.5 –")
    shown = text_of(html, '<section class="panel flush" id="serving"', "</section>")
    assert shown == (
        "Serving Measured Version 2 Champion, version 1 "
        "size, in bytes 5,000 4,000 same scores for the same rows yes – and so on"
    )


def test_what_others_wrote_is_text(console: Console) -> None:
    html = console.get(RUN, Role.VIEWER).text
    assert HOSTILE not in html
    assert "note=&lt;script&gt;alert(&#39;it&#39;)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/policies/none", 404, "There is no policy none here; known: clicks"),
        ("/runs/none", 404, "There is no run none"),
        ("/policies/clicks/explode", 404, "There is no action explode"),
        (f"{RUN}/pictures/..%2F..%2Fstate.db", 404, "There is no such page"),
        ("/nope", 404, "<code>/v1/openapi.json</code> names every one of the API"),
        ("/docs", 404, "the console begins at <code>/</code>"),
        ("/?page=two", 422, "Correct the request"),
    ],
)
def test_what_cannot_be_shown_is_a_page_that_leads_on(
    console: Console, path: str, status: int, words: str
) -> None:
    answer = console.get(path, Role.APPROVER)
    assert (answer.status_code, words in unescape(answer.text)) == (status, True), answer.text
    assert 'href="/">To the policies' in answer.text


def test_a_database_that_is_away_is_a_page(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: FleetQueries) -> None:
        raise TransientError("secret-host: no route")

    monkeypatch.setattr(FleetQueries, "overview", away)
    answer = console.get("/")
    assert (answer.status_code, "The database is away" in answer.text) == (503, True)
    assert "secret-host" not in answer.text


def test_a_fault_is_a_page_that_says_nothing_of_the_inside(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FleetQueries, "overview", lambda _: 1 / 0)
    answer = console.get("/")
    assert (answer.status_code, "Something broke" in answer.text) == (500, True)
    assert "division" not in answer.text
    assert "ZeroDivisionError" in console.logged.pop()


@pytest.mark.parametrize(
    ("role", "shown"),
    [
        (None, set()),
        (Role.VIEWER, set()),
        (Role.OPERATOR, {"cancel"}),
        (Role.APPROVER, {"approve", "reject", "cancel"}),
    ],
)
def test_only_buttons_that_one_may_press_are_shown(
    console: Console, role: Role | None, shown: set[str]
) -> None:
    html = console.get(RUN, role).text
    assert set(re.findall(rf'data-dialog href="{RUN}/(\w+)"', html)) == shown
    assert ("takes the role" in html or "Log in</a> with a token" in html) == ("approve" not in shown)


def test_the_approval_says_what_it_changes_and_counts_for_that_alone(world: World) -> None:
    console = console_of(world)
    html = console.get(f"{RUN}/approve", Role.APPROVER).text
    assert "moves from version 1 to <b>version 2</b>" in html
    assert "2 of 2 passed" in html
    answer = console.submit(f"{RUN}/approve", Role.APPROVER, {"reason": HOSTILE})
    request = asked(world, answer.headers["location"])
    assert (answer.status_code, request.actor) == (303, "token the-approver")
    assert request.arguments["evidence"] == world.runs()[-1].details["approval"]["evidence"]
    world.settle()
    assert world.runs()[-1].phase is Phase.PROBATION
    told = console.get(answer.headers["location"], Role.VIEWER).text
    assert "done: run clicks-1 is PROMOTING" in told
    assert HOSTILE not in told
    assert "Roll back…" in console.get(RUN, Role.OPERATOR).text


def test_evidence_that_was_not_shown_is_refused(world: World) -> None:
    console = console_of(world)
    answer = console.submit(f"{RUN}/approve", Role.APPROVER, {"evidence": "0" * 64})
    world.settle()
    assert asked(world, answer.headers["location"]).answer.startswith("refused: the evidence on record is")
    assert world.runs()[-1].phase is Phase.AWAITING_APPROVAL


@pytest.mark.parametrize(
    ("path", "role", "phase"),
    [(f"{RUN}/reject", Role.APPROVER, Phase.REJECTED), (f"{RUN}/cancel", Role.OPERATOR, Phase.CANCELLED)],
)
def test_a_run_is_ended_from_its_page(world: World, path: str, role: Role, phase: Phase) -> None:
    console_of(world).submit(path, role, {"reason": "no"})
    world.settle()
    assert world.runs()[-1].phase is phase


def test_a_rollback_that_has_failed_offers_nothing_that_would_be_refused(world: World) -> None:
    console = console_of(world)
    console.submit(f"{RUN}/approve", Role.APPROVER)
    world.settle()
    world.registry.digests[Version("1")] = "another"
    console.submit(f"{RUN}/cancel", Role.OPERATOR)
    for _ in range(5):
        world.tick()
        if world.runs()[-1].phase is Phase.ROLLBACK_FAILED:
            break
    html = console.get(RUN, Role.OPERATOR).text
    assert ("Rollback failed" in html, "Cancel…" in html) == (True, False)
    refused = console.get(f"{RUN}/cancel", Role.OPERATOR)
    assert (refused.status_code, "is ROLLBACK_FAILED: it cannot be cancelled" in refused.text) == (409, True)
    told = console.get("/policies/clicks/rollback", Role.OPERATOR).text
    assert "while it moves the alias itself, a rollback is refused" in told


def test_a_policy_is_paused_triggered_and_resumed(world: World) -> None:
    console = console_of(world)
    console.submit("/policies/clicks/pause", Role.OPERATOR)
    page = console.get("/policies/clicks", Role.OPERATOR).text
    assert "/policies/clicks/resume" in page
    console.submit("/policies/clicks/resume", Role.OPERATOR)
    wrong = console.submit("/policies/clicks/trigger", Role.OPERATOR, {"params": "depth"})
    assert (wrong.status_code, "expected a line of KEY=VALUE" in wrong.text) == (422, True)
    odd = console.submit("/policies/clicks/trigger", Role.OPERATOR, {"reason": "a\0b"})
    assert (odd.status_code, "expected text without control characters" in odd.text) == (422, True)
    sent = {"params": "depth=6\nname=a b", "reason": "see ticket 7"}
    answer = console.submit("/policies/clicks/trigger", Role.OPERATOR, sent)
    assert asked(world, answer.headers["location"]).arguments == {
        "reason": "see ticket 7",
        "params": {"depth": "6", "name": "a b"},
    }


def test_a_rollback_is_of_the_champion_that_was_shown(world: World) -> None:
    console = console_of(world)
    answer = console.submit("/policies/clicks/rollback", Role.OPERATOR, {"champion": "7"})
    assert (answer.status_code, "the champion is version 1 by now, not version 7" in answer.text) == (
        409,
        True,
    )


def test_nothing_is_done_by_surprise_when_no_daemon_runs(world: World) -> None:
    console = console_of(world, daemon=False)
    answer = console.submit(f"{RUN}/approve", Role.APPROVER)
    assert (answer.status_code, "no daemon runs that would approve it" in answer.text) == (503, True)
    assert "Nothing happens: no daemon runs." in console.get("/policies/clicks").text


@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        ({"csrf": "0" * 64}, {}, 403),
        ({}, {}, 403),
        (None, {"Origin": "http://evil.example"}, 403),
        (None, {"Origin": "null"}, 403),
    ],
)
def test_forms_of_other_pages_are_refused(
    console: Console, sent: dict[str, str] | None, headers: dict[str, str], status: int
) -> None:
    path = "/policies/clicks/pause"
    if sent is None:
        answer = console.submit(path, Role.OPERATOR, headers=headers)
    else:
        answer = console.ask("POST", path, Role.OPERATOR, data=sent, headers=headers)
    assert answer.status_code == status
    assert not console.backend.queries.status().policies[0].paused


def test_a_form_of_another_caller_does_not_count(console: Console) -> None:
    theirs = re.search(
        r'name="csrf" value="(\w+)"', console.get("/policies/clicks/pause", Role.APPROVER).text
    )
    assert theirs
    answer = console.ask("POST", "/policies/clicks/pause", Role.OPERATOR, data={"csrf": theirs[1]})
    assert answer.status_code == 403


def test_a_login_is_a_cookie_that_scripts_cannot_read(console: Console) -> None:
    token = console.tokens[Role.APPROVER]
    answer = console.ask("POST", "/login", data={"token": f" {token} ", "next": RUN})
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, RUN)
    assert cookie.startswith(f"{COOKIE}={token};")
    assert {"HttpOnly", "SameSite=strict", "Max-Age=43200"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "the-approver" in console.get("/", Role.APPROVER).text
    gone = console.ask("POST", "/logout", Role.APPROVER).headers["set-cookie"]
    assert "Max-Age=0" in gone


def test_a_wrong_token_is_told_so_and_leads_nowhere_else(console: Console) -> None:
    answer = console.ask("POST", "/login", data={"token": "no", "next": "//evil.example"})
    assert (answer.status_code, "The token is wrong" in answer.text) == (401, True)
    assert 'name="next" value="/"' in answer.text
    other = console.ask("POST", "/login", data={"token": "no"}, headers={"Origin": "http://evil.example"})
    assert other.status_code == 403


def test_under_tls_and_outside_the_cookie_is_secure_and_reading_needs_it(
    waiting: World, tmp_path: Path
) -> None:
    console = console_of(waiting.branch(tmp_path / "world"), rules=Rules(loopback=False, tls=True))
    answer = console.get(f"{RUN}?a=b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fruns%2Fclicks-1%3Fa%3Db")
    logged_in = console.ask("POST", "/login", data={"token": console.tokens[Role.VIEWER]})
    assert "Secure" in logged_in.headers["set-cookie"]
    stale = console.get("/login", cookies={COOKIE: "ctrain_gone"})
    assert (stale.status_code, "Max-Age=0" in stale.headers["set-cookie"]) == (200, True)


def test_the_theme_is_kept_and_rendered(console: Console) -> None:
    answer = console.ask("POST", "/theme", data={"to": "dark", "back": "/events-log?matter=runs"})
    assert answer.headers["location"] == "/events-log?matter=runs"
    assert "ctrain_theme=dark" in answer.headers["set-cookie"]
    assert 'data-theme="dark"' in console.get("/", cookies={"ctrain_theme": "dark"}).text
    assert 'data-theme="auto"' in console.get("/", cookies={"ctrain_theme": '"><script>'}).text


def test_assets_are_kept_for_as_long_as_they_are_the_same(console: Console) -> None:
    html = console.get("/").text
    (style,) = re.findall(r'href="(/static/\w+/console.css)"', html)
    answer = console.get(style)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert console.get("/static/0/console.css").headers["cache-control"] == "no-cache"
    assert console.get("/static/0/pages.py").status_code == 404


def test_the_history_goes_on_where_a_page_ends(console: Console) -> None:
    first = console.backend.store
    with first.read() as tx:
        newest = tx.newest_links(3)
    html = console.get(f"/events-log?before={newest[1].number}").text
    assert newest[2].hash in html
    assert newest[0].hash not in html
    assert f"http://{HOST}" not in html

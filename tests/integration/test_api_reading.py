"""What the API tells, beside what the store holds; lists, page after page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import (
    Event,
    FeatureVerdict,
    IngestState,
    MonitorName,
    Outcome,
    PolicyName,
    Status,
    Suppression,
)
from ctrain.queries import pages as page_queries
from ctrain.queries.pages import PageQueries
from ctrain.store import verdicts as verdict_rows
from ctrain.web.api.paging import pack
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START, decision, run, verdict
from tests.support.web import NOW, Web, tell_story

BUSY = MonitorName("busy")
FLIGHT = "/v1/policies/flight-delay"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Web:
    web = Web(tmp_path_factory.mktemp("web"))
    tell_story(web.store)
    return web


def get(web: Web, path: str) -> Any:
    answer = web.ask(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(web: Web, path: str, key: str) -> list[list[Any]]:
    """Every page of a list, by following ``next``."""
    found: list[list[Any]] = []
    following: str | None = path
    while following:
        page = get(web, following)
        found.append(page[key])
        following = page["next"]
    return found


def test_policies_are_told_in_lines(web: Web) -> None:
    answer = get(web, "/v1/policies")
    assert (answer["now"], answer["daemons"], answer["next"]) == (
        NOW.isoformat().replace("+00:00", "Z"),
        [],
        None,
    )
    flights, other = answer["policies"]
    assert (flights["policy"], flights["health"], flights["why"]) == (FLIGHTS, "breached", "brier: BREACHED")
    assert (flights["champion"], flights["run"]["phase"], flights["monitor"]) == ("3", "TRAINING", "brier")
    assert (flights["last_trigger"]["outcome"], flights["awaits_approval"]) == ("cooldown", False)
    assert (other["policy"], other["health"], other["awaits_approval"]) == (OTHER, "inconclusive", True)


def test_the_last_trigger_is_as_old_as_it_is(tmp_path: Path) -> None:
    """Of what is over it counts when it was seen last; of what still holds it back, since when."""
    web = Web(tmp_path)
    tell_story(web.store)

    def shown() -> tuple[bool, str]:
        told = get(web, "/v1/policies")["policies"][0]["last_trigger"]
        html = web.ask("/?q=flight").text.partition('<td class="trigger">')[2].partition("</td>")[0]
        return told["lasts"], re.sub(r"<[^>]+>", "", html)

    assert shown() == (False, "degraded cooldown 4d 3h ago")
    held = decision(outcome=Outcome.SUPPRESSED, suppression=Suppression.BUDGET, reason="no budget")
    with web.store.write() as tx:
        tx.record_decision(FLIGHTS, "h1", held, NOW - HOUR * 10)
        tx.record_decision(FLIGHTS, "h1", held, NOW - HOUR)
    assert shown() == (True, "degraded budget for 10h")
    with web.store.write() as tx:
        tx.record_decision(FLIGHTS, "h1", decision(), NOW)
    assert shown() == (False, "degraded budget 1h ago")


def test_policies_can_be_narrowed_to_those_that_are_not_well(web: Web) -> None:
    assert [one["policy"] for one in get(web, "/v1/policies?health=breached")["policies"]] == [FLIGHTS]
    assert get(web, "/v1/policies?health=trouble")["policies"] == []


def test_a_trouble_outdoes_a_breach_until_it_ends(tmp_path: Any) -> None:
    web = Web(tmp_path)
    tell_story(web.store)
    told = []
    for kind in ("registry_unreadable", "registry_readable"):
        with web.store.write() as tx:
            tx.append_event(Event(FLIGHTS, kind, START, "ctrain", f"{kind}: so it is"))
        line = get(web, "/v1/policies")["policies"][0]
        told.append((line["health"], line["why"]))
    assert told[1] == ("breached", "brier: BREACHED")
    assert (told[0][0], told[0][1].endswith("promoted: registry_unreadable: so it is")) == ("trouble", True)


@pytest.mark.parametrize(
    ("path", "key", "name", "expected"),
    [
        ("/v1/policies?limit=1", "policies", "policy", [["flight-delay"], ["other"]]),
        ("/v1/runs?limit=1", "runs", "id", [["run-3"], ["run-1"]]),
        ("/v1/runs?limit=1&policy=other", "runs", "id", [["run-3"]]),
        (f"{FLIGHT}/triggers?limit=2", "decisions", "outcome", [["not_met", "suppressed"], ["fired"]]),
        (f"{FLIGHT}/monitors/brier?limit=3", "verdicts", "value", [[0.4, 0.3, 0.2], [0.1, 0.0]]),
        (f"{FLIGHT}/champions?limit=3", "champions", "version", [["4", "3", "2"], ["1"]]),
        ("/v1/events?limit=3", "events", "number", [[4, 3, 2], [1]]),
        ("/v1/events?limit=9&matter=champion", "events", "kind", [["promoted"] * 4]),
        ("/v1/events?limit=9&matter=data", "events", "kind", [[]]),
        ("/v1/events?policy=other", "events", "kind", [[]]),
    ],
)
def test_lists_are_whole_page_after_page(web: Web, path: str, key: str, name: str, expected: Any) -> None:
    assert [[one[name] for one in page] for page in pages(web, path, key)] == expected


def test_a_page_keeps_its_place_when_something_new_comes(tmp_path: Any) -> None:
    web = Web(tmp_path)
    tell_story(web.store)
    first = get(web, "/v1/events?limit=2")
    with web.store.write() as tx:
        tx.append_event(Event(FLIGHTS, "paused", START, "ann", "paused by ann"))
    assert [one["number"] for one in first["events"] + get(web, first["next"])["events"]] == [4, 3, 2, 1]


def test_verdicts_of_a_stretch_of_time(web: Web) -> None:
    start, end = ((START + HOUR * hours).isoformat().replace("+00:00", "Z") for hours in (1, 4))
    found = pages(web, f"{FLIGHT}/monitors/brier?from={start}&to={end}&limit=2", "verdicts")
    assert [[one["value"] for one in page] for page in found] == [[0.3, 0.2], [0.1]]
    assert found[0][0]["features"][0]["p_value"] == 1e-300


def test_a_page_decodes_columns_of_those_verdicts_alone_that_its_map_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Web(tmp_path)
    tell_story(web.store)
    decoded: list[str] = []

    def decode(**column: Any) -> FeatureVerdict:
        decoded.append(column["column"])
        return FeatureVerdict(**column)

    with web.store.write() as tx:
        tx.record_verdicts(FLIGHTS, "h1", [replace(verdict(hours=h), monitor=BUSY) for h in range(100)])
        (newest,) = [one for one in tx.latest_verdicts(FLIGHTS) if one.monitor == BUSY]
    monkeypatch.setattr(verdict_rows, "FeatureVerdict", decode)
    monkeypatch.setattr(page_queries, "MOST_MAPPED", 10)
    queries = PageQueries(web.app.state.backend.queries, web.store, web.clock, {})
    page = queries.policy(FLIGHTS)
    assert [len(one.points) for one in page.series if one.monitor == BUSY] == [100]
    assert BUSY in {one.monitor for one in page.heat}
    first = len(decoded)
    assert first < 60 * len(newest.features)
    assert queries.policy(FLIGHTS).heat == page.heat
    assert len(decoded) - first < first  # the map is drawn again when there is a new verdict
    with web.store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", replace(verdict(hours=100), monitor=BUSY))
    assert queries.policy(FLIGHTS).heat != page.heat


def test_a_champion_reigns_until_the_next(web: Web) -> None:
    now, before = get(web, f"{FLIGHT}/champions?limit=2")["champions"]
    assert (now["until_at"], before["until_at"], now["how"]) == (None, now["since_at"], "promoted")


def test_why_says_what_is_missing(web: Web) -> None:
    answer = get(web, f"{FLIGHT}/why")
    assert answer["decisions"][0]["trigger"] == "degraded"
    assert answer["limits"]["active_run"] == "run-1"
    assert any("no daemon runs" in one for one in answer["notes"])


def test_a_run_with_its_comparison(web: Web) -> None:
    assert get(web, "/v1/runs/run-1")["run"]["phase"] == "TRAINING"
    [sequence] = get(web, "/v1/runs/run-1/comparison")["sequences"]
    assert sequence["phase"] == "SHADOWING"
    assert [(one["blocks"], one["lower"]) for one in sequence["points"]] == [(0, None), (1, None), (2, None)]


def test_status_is_that_of_the_command(web: Web) -> None:
    with web.store.write() as tx:
        tx.save_ingest_state(OTHER, IngestState(rows_total=10, labels_total=5, rejected_total={"late": 2}))
    answer = get(web, "/v1/policies/other")
    assert (answer["data"]["rows"], answer["data"]["label_coverage"]) == (10, 0.5)
    assert (answer["run"]["id"], answer["data"]["rejected"]) == ("run-3", {"late": 2})
    assert [one["monitor"] for one in get(web, f"{FLIGHT}/monitors")["verdicts"]] == ["brier"]


def test_a_monitor_that_was_taken_out_is_not_listed(tmp_path: Path) -> None:
    web = Web(tmp_path)
    tell_story(web.store)
    with web.store.write() as tx:
        tx.record_verdict(FLIGHTS, "another policy", verdict("inputs", hours=1000))
    assert [one["monitor"] for one in get(web, f"{FLIGHT}/monitors")["verdicts"]] == ["inputs"]


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/v1/policies/none", 404, "there is no policy none here; known: flight-delay, other"),
        ("/v1/policies/none/why", 404, "there is no policy none"),
        (f"{FLIGHT}/monitors/none", 404, "those that have: brier"),
        ("/v1/runs/none", 404, "there is no run none; the newest: run-3, run-1"),
        ("/v1/runs/none/comparison", 404, "there is no run"),
        ("/v1/requests/7", 404, "there is no request 7"),
        ("/v1/requests/x", 422, "path.number"),
        ("/v1/reloads/7", 404, "there is no reload 7"),
        ("/v1/nothing", 404, "`/v1/openapi.json` names every one of the API, and the console begins at `/`"),
        ("/v1/runs?limit=0", 422, "query.limit"),
        ("/v1/runs?cursor=x", 404, "take the cursor from `next`"),
        ("/v1/runs?cursor=WyJldmVudHMiLDNd", 404, "take the cursor from `next`"),
        (f"{FLIGHT}/champions?cursor={pack('champions', 99)}", 404, "take the cursor from `next`"),
        (f"{FLIGHT}/champions?cursor={pack('champions', 2**63 - 1)}", 404, "take the cursor from `next`"),
        ("/v1/events?matter=weather", 422, "query.matter"),
        (f"{FLIGHT}/monitors/brier?from=2024-01-01", 422, "query.from"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(web: Web, path: str, status: int, detail: str) -> None:
    answer = web.ask(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert detail in problem["detail"]
    assert (problem["status"], problem["type"]) == (status, "about:blank")


def test_other_methods_are_a_problem_that_names_those_there_are(web: Web) -> None:
    answer = web.ask("/v1/policies", method="DELETE")
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
    assert "GET" in answer.headers["Allow"]


def test_the_document_describes_every_route_and_its_problems(web: Web) -> None:
    document = get(web, "/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) > 20
    for operation in operations:
        assert operation["security"] == [{"token": []}]
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_policies_of_a_large_fleet_are_named_sparingly(tmp_path: Any) -> None:
    web = Web(tmp_path)
    with web.store.write() as tx:
        for number in range(30):
            tx.save_policy(PolicyName(f"p{number:02d}"), "h", "/p.yaml", {}, START)
    detail = web.ask("/v1/policies/none").json()["detail"]
    assert "p19, ..." in detail
    assert "p20" not in detail


def test_a_rollback_that_failed_is_a_trouble_and_others_stand_before_or_behind_it() -> None:
    from ctrain.domain import Phase
    from ctrain.domain.fleet import RunLine, TroubleLine
    from ctrain.queries.overview import UNHEARD, Health, judge
    from ctrain.queries.troubles import by_gravity

    failed = run(1, phase=Phase.ROLLBACK_FAILED)
    line = RunLine(failed.id, failed.policy, failed.phase, failed.phase_since, "MLflow is away\nTraceback")
    kinds = ("policy_refused", "registry_unreadable", "tick_failed")
    lines = [TroubleLine(failed.policy, kind, START, "so it is") for kind in kinds]
    found = by_gravity(lines, [line])[failed.policy]
    assert [one.kind for one in found] == [
        "tick_failed",
        "registry_unreadable",
        "rollback_failed",
        "policy_refused",
    ]
    health, why = judge(UNHEARD, by_gravity(lines[:1], [line])[failed.policy])
    assert (health, why.endswith(f"run {failed.id}: MLflow is away")) == (Health.TROUBLE, True)
    assert judge(UNHEARD, ()) == (Health.INCONCLUSIVE, "no monitor has given a verdict yet")


def test_verdicts_of_the_policy_before_its_change_speak_until_the_new_one_does() -> None:
    from ctrain.domain import MonitorName
    from ctrain.domain.fleet import VerdictLine
    from ctrain.queries.overview import speak

    old = VerdictLine(FLIGHTS, MonitorName("gone"), START, Status.BREACHED, "h1")
    new = VerdictLine(FLIGHTS, MonitorName("brier"), START + HOUR, Status.OK, "h2")
    assert [speak([old])[0].value, speak([old, new])[0].value] == ["breached", "ok"]

"""What people and pipelines ask for over HTTP: on record once, with who asked, bound to what was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import Phase
from ctrain.domain.access import Role
from ctrain.domain.leases import policy_lease
from ctrain.lifecycle.approval import refusal
from tests.contract.store.builders import FLIGHTS, OTHER
from tests.support.web import NOW, Web, tell_story, waiting_run

TRIGGER = "/v1/policies/flight-delay/trigger"
ROLLBACK = "/v1/policies/flight-delay/rollback"


@pytest.fixture
def web(tmp_path: Path) -> Web:
    web = Web(tmp_path)
    tell_story(web.store)
    return web


def requests(web: Web) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, actor and arguments of all that is open."""
    with web.store.read() as tx:
        found = [one for name in tx.policies() for one in tx.open_requests(name)]
    return [(one.kind.value, one.actor, dict(one.arguments)) for one in found]


def test_a_trigger_is_on_record_with_who_asked_and_can_be_followed(web: Web) -> None:
    answer = web.post(TRIGGER, json={"reason": "a new feature", "params": {"depth": "6"}})
    assert answer.status_code == 202
    number = answer.json()["id"]
    assert answer.headers["Location"] == f"/v1/requests/{number}"
    assert requests(web) == [
        ("trigger", "token operator", {"reason": "a new feature", "params": {"depth": "6"}})
    ]
    assert web.ask(f"/v1/requests/{number}").json()["state"] == "open"
    with web.store.write() as tx:
        tx.answer_request(number, "done: run run-9 started")
    followed = web.ask(f"/v1/requests/{number}").json()
    assert (followed["state"], followed["answer"]) == ("done", "done: run run-9 started")


def test_a_refusal_of_the_daemon_is_told(web: Web) -> None:
    number = web.post(TRIGGER).json()["id"]
    with web.store.write() as tx:
        tx.answer_request(number, "refused: another run is active")
    assert web.ask(f"/v1/requests/{number}").json()["state"] == "refused"


def test_the_same_key_does_the_same_once(web: Web) -> None:
    key = {"Idempotency-Key": "build-71"}
    first = web.post(TRIGGER, json={"reason": "nightly"}, headers=key)
    again = web.post(TRIGGER, json={"reason": "nightly"}, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len(requests(web)) == 1


def test_the_answer_to_the_same_key_tells_how_it_went_meanwhile(web: Web) -> None:
    key = {"Idempotency-Key": "build-71"}
    number = web.post(TRIGGER, headers=key).json()["id"]
    with web.store.write() as tx:
        tx.answer_request(number, "done: run run-9 started")
    assert web.post(TRIGGER, headers=key).json()["state"] == "done"


@pytest.mark.parametrize(
    "other", [(TRIGGER, {"reason": "another"}), ("/v1/policies/other/trigger", {"reason": "nightly"})]
)
def test_the_same_key_for_something_else_is_refused(web: Web, other: tuple[str, dict[str, str]]) -> None:
    key = {"Idempotency-Key": "build-71"}
    web.post(TRIGGER, json={"reason": "nightly"}, headers=key)
    answer = web.post(other[0], json=other[1], headers=key)
    assert answer.status_code == 422
    assert "build-71 was used for another request" in answer.json()["detail"]
    assert len(requests(web)) == 1


def test_keys_are_each_callers_own_and_are_forgotten_after_a_week(web: Web) -> None:
    key = {"Idempotency-Key": "build-71"}
    web.post(TRIGGER, headers=key)
    web.post(TRIGGER, Role.APPROVER, headers=key)
    assert len(requests(web)) == 2
    web.timer.advance(7 * 86400 + 1)
    web.post(TRIGGER, Role.APPROVER, headers={"Idempotency-Key": "build-72"})
    web.post(TRIGGER, headers=key)
    assert len(requests(web)) == 4


@pytest.mark.parametrize("path", [ROLLBACK, "/v1/runs/run-1/cancel"])
def test_what_nobody_could_do_now_is_not_left_for_later(web: Web, path: str) -> None:
    answer = web.post(path, json={"reason": "worse"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "no daemon runs" in answer.json()["detail"]
    assert requests(web) == []
    assert web.with_daemon().post(path, json={"reason": "worse"}).status_code == 202
    assert len(requests(web)) == 1


def test_a_daemon_that_watches_other_policies_would_not_do_it(web: Web) -> None:
    with web.with_daemon().store.write() as tx:
        tx.release_lease(policy_lease(FLIGHTS), "vm:1")
    answer = web.post(ROLLBACK)
    assert (answer.status_code, requests(web)) == (503, [])
    assert "no daemon watches flight-delay" in answer.json()["detail"]
    assert web.post(TRIGGER).status_code == 202


def test_whoever_asks_while_a_daemon_takes_over_is_told_when_to_ask_again(web: Web) -> None:
    """By then it has what it watches, and the same key counts: nothing was done with it yet."""
    key = {"Idempotency-Key": "build-71"}
    with web.with_daemon().store.write() as tx:
        tx.release_lease(policy_lease(FLIGHTS), "vm:1")
    answer = web.post(ROLLBACK, headers=key)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "20")
    assert "ask again in 20 s" in answer.json()["detail"]
    again = [web.with_daemon().post(ROLLBACK, headers=key) for _ in range(2)]
    assert [one.status_code for one in again] == [202, 202]
    assert len(requests(web)) == 1


def test_a_rollback_may_name_the_champion_to_go_back_from(web: Web) -> None:
    assert web.with_daemon().post(ROLLBACK, json={"champion": "3"}).status_code == 202
    assert requests(web) == [("rollback", "token operator", {"reason": "", "champion": "3"})]


def test_cancel_names_the_run(web: Web) -> None:
    web.with_daemon().post("/v1/runs/run-1/cancel", json={"reason": "wrong data"})
    assert requests(web) == [("cancel", "token operator", {"run": "run-1", "reason": "wrong data"})]


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_an_answer_is_bound_to_what_the_run_stands_on(web: Web, verb: str) -> None:
    evidence = web.ask("/v1/runs/run-3").json()["approval"]["evidence"]
    path = f"/v1/runs/run-3/{verb}"
    answer = web.with_daemon().post(path, Role.APPROVER, json={"evidence": evidence[:12], "reason": "seen"})
    assert answer.status_code == 202
    [(kind, actor, arguments)] = requests(web)
    assert (kind, actor, arguments["run"]) == (verb, "token approver", "run-3")
    assert refusal(waiting_run(), arguments, NOW) == ""


def test_an_approval_that_is_sent_again_is_answered_again_though_the_run_waits_no_more(web: Web) -> None:
    sent: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}, "json": {"reason": "seen"}}
    path = "/v1/runs/run-3/approve"
    first = web.with_daemon().post(path, Role.APPROVER, **sent)
    with web.store.write() as tx:
        moved = replace(waiting_run(), phase=Phase.PROMOTING)
        tx.save_run(moved, expected=Phase.AWAITING_APPROVAL)
    again = web.post(path, Role.APPROVER, **sent)
    assert (again.status_code, again.json()) == (202, first.json())
    assert web.post(path, Role.APPROVER).status_code == 409
    other = {**sent, "json": {"reason": "another"}}
    assert web.post(path, Role.APPROVER, **other).status_code == 422


def test_an_answer_about_other_evidence_is_refused_by_whoever_carries_it_out(web: Web) -> None:
    web.with_daemon().post("/v1/runs/run-3/approve", Role.APPROVER, json={"evidence": "0" * 64})
    [(_, _, arguments)] = requests(web)
    assert "look again" in refusal(waiting_run(), arguments, NOW)


def test_a_run_that_waits_for_nobody_cannot_be_approved(web: Web) -> None:
    answer = web.with_daemon().post("/v1/runs/run-1/approve", Role.APPROVER)
    assert (answer.status_code, "waits for no approval" in answer.json()["detail"]) == (409, True)


def test_pause_and_resume_are_on_record(web: Web) -> None:
    for verb, paused in (("pause", True), ("resume", False)):
        answer = web.post(f"/v1/policies/other/{verb}")
        assert answer.json() == {"policy": OTHER, "paused": paused}
        with web.store.read() as tx:
            assert tx.paused(OTHER) is paused
            event = tx.events(OTHER, limit=1)[0]
        assert (event.kind, event.actor) == (f"{verb}d", "token operator")


def test_a_reload_is_asked_of_all_daemons(web: Web) -> None:
    answer = web.post("/v1/reload")
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/v1/reloads/{answer.json()['number']}")
    followed = web.ask(answer.headers["Location"]).json()
    assert (followed["number"], followed["outcomes"]) == (answer.json()["number"], [])


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"json": {"resaon": "x"}}, "body.resaon"),
        ({"json": {"reason": "x" * 2001}}, "body.reason"),
        ({"json": {"reason": "a\u0000b"}}, "body.reason"),
        ({"json": {"params": {"depth": 6}}}, "body.params"),
        ({"json": []}, "body"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "body"),
        ({"headers": {"Idempotency-Key": "a b"}}, "header"),
    ],
)
def test_a_body_that_cannot_be_used_says_where(web: Web, sent: dict[str, Any], place: str) -> None:
    answer = web.post(TRIGGER, **sent)
    assert answer.status_code == 422
    assert any(one["place"].startswith(place) for one in answer.json()["errors"])
    assert requests(web) == []


def test_an_unknown_policy_is_not_asked_anything(web: Web) -> None:
    assert web.post("/v1/policies/none/trigger").status_code == 404
    with web.store.read() as tx:
        assert tx.open_requests(FLIGHTS) == []

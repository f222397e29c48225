from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ctrain.domain import Message, Notice
from ctrain.notify.wording import SHOWN_NOTICES, body_of, count_of, level_of, text_of, title_of
from ctrain.policy.files import parse_policy
from ctrain.policy.notify import channel_names
from tests.support.notices import CLICKS, START, notice
from tests.support.reference import HANDBOOK, ROOT

PAGE = HANDBOOK / "notifications.md"

FAILED = {"kind": "failed", "subject": "outcome", "fingerprint": "failed: exit #"}
PAYLOAD = {
    "event": "promoted",
    "at": "2026-01-01T00:00:00+00:00",
    "actor": "ann",
    "message": "version 2 is the champion\nand more",
    "run": "clicks-4",
    "policy_hash": "h1",
    "model": "clicks model",
    "version": "2",
}


def message(*notices: Notice, **changes: Any) -> Message:
    return Message("msg_1", CLICKS, "1", notices, START, **changes)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (message(notice(1)), "clicks: promoted"),
        (message(notice(1), notice(2)), "clicks: promoted (2 times)"),
        (
            message(notice(1, **FAILED), notice(2, kind="rolled_back"), repeated={"failed: exit #": 3}),
            "clicks: failed (4 times), rolled back",
        ),
        (message(test=True), "clicks: a test message"),
    ],
)
def test_a_title_says_what_happened_to_which_policy(found: Message, title: str) -> None:
    assert title_of(found) == title


@pytest.mark.parametrize(
    ("kinds", "level"),
    [((), "info"), (("promoted",), "success"), (("promoted", "failed", "fired"), "failure")],
)
def test_the_most_urgent_notice_sets_the_level(kinds: tuple[str, ...], level: str) -> None:
    assert level_of(message(*(notice(1, kind=kind) for kind in kinds))) == level


def test_text_says_who_did_what_with_which_version() -> None:
    text = text_of(message(notice(1, payload=PAYLOAD)), "http://mlflow:5000")
    assert text == (
        "promoted: clicks-4: version 2 is the champion (by ann) "
        "http://mlflow:5000/#/models/clicks%20model/versions/2"
    )


def test_text_is_short_however_many_there_are() -> None:
    text = text_of(message(*(notice(number) for number in range(50))), None)
    assert len(text.splitlines()) == SHOWN_NOTICES + 1
    assert text.endswith("and 30 more: `ctrain status clicks`")


def test_the_json_body() -> None:
    found = message(notice(1, payload=PAYLOAD), notice(2, **FAILED), repeated={"failed: exit #": 3})
    body = json.loads(body_of(found, "http://mlflow:5000"))
    notices = body.pop("notices")
    assert body == {
        "version": 1,
        "key": "msg_1",
        "policy": "clicks",
        "channel": "1",
        "title": "clicks: promoted, failed (4 times)",
        "level": "failure",
        "count": 5,
        "test": False,
        "sent_at": "2026-01-01T00:00:00+00:00",
        "more": 0,
    }
    assert notices[0] == {
        **PAYLOAD,
        "key": "key-1",
        "kind": "promoted",
        "level": "success",
        "meaning": "a challenger became champion",
        "repeated": 0,
        "links": {
            "command": "ctrain show clicks-4",
            "model": "http://mlflow:5000/#/models/clicks%20model/versions/2",
        },
    }
    assert (notices[1]["repeated"], notices[1]["links"]) == (
        3,
        {"model": "http://mlflow:5000/#/models/clicks"},
    )


def test_text_that_is_no_unicode_does_not_stop_a_message() -> None:
    found = message(notice(1, payload={**PAYLOAD, "message": "broken \ud800 text"}))
    assert json.loads(body_of(found, None))["notices"][0]["message"] == "broken ? text"


def test_the_json_body_holds_so_many_notices_and_says_how_many_more() -> None:
    found = message(*(notice(number) for number in range(50)))
    body = json.loads(body_of(found, None))
    assert (len(body["notices"]), body["more"], body["count"]) == (SHOWN_NOTICES, 30, 50)
    assert count_of(found) == 50


def test_the_channels_of_the_handbook_are_valid() -> None:
    (text,) = re.findall(r"```yml\n(notify:.+?)```", PAGE.read_text(), re.DOTALL)
    minimal = (ROOT / "tests/unit/policy_files/minimal.yaml").read_text()
    environ = {"CTRAIN_NOTIFY_URL": "slack://a/b/c", "PAGER_SECRET": "whsec_c2VjcmV0"}
    policy = parse_policy(minimal + text, ROOT / "p.yaml", environ).policy
    assert channel_names(policy.notify) == ("1", "pager")


def test_every_key_of_the_body_is_in_the_handbook() -> None:
    body = json.loads(body_of(message(notice(1, payload=PAYLOAD)), None))
    section = PAGE.read_text()
    assert [
        key for key in (*body, *body["notices"][0]) if f"`{key}`" not in section.replace("notices[].", "")
    ] == []

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ctrain.domain import (
    Decision,
    MonitorName,
    Notice,
    Outcome,
    Status,
    Suppression,
    TriggerName,
    Verdict,
)
from ctrain.engine.news import decision_news, verdict_news
from tests.support.notices import at, channel, notice

HOUR = 3600
WATCHED = channel(kinds=frozenset({"breached", "recovered", "suppressed"}))


def verdict(status: str, hours: float = 0, **changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "monitor": MonitorName("brier"),
        "as_of": at(hours * HOUR),
        "status": Status(status),
        "value": 0.25,
        "threshold": 0.2,
        "n": 1000,
        "reason": "0.25 is above 0.2",
    }
    return Verdict(**{**values, **changes})


def told(kind: str, hours: float, subject: str = "monitor brier", **changes: Any) -> dict[str, Notice]:
    return {subject: notice(1, kind=kind, subject=subject, waiting_since=at(hours * HOUR), **changes)}


def news(verdicts: list[Verdict], known: dict[str, Notice] | None = None, hours: float = 24) -> list[str]:
    return [
        one.kind for one in verdict_news(WATCHED, "clicks", "h1", verdicts, known or {}, at(hours * HOUR))
    ]


@pytest.mark.parametrize(
    ("statuses", "known", "kinds"),
    [
        (["OK"], {}, []),
        (["INCONCLUSIVE"], {}, []),
        (["BREACHED"], {}, ["breached"]),
        (["BREACHED", "BREACHED"], {}, ["breached"]),
        (["BREACHED", "OK"], {}, ["breached", "recovered"]),
        (["BREACHED", "INCONCLUSIVE", "BREACHED", "INCONCLUSIVE", "OK"], {}, ["breached", "recovered"]),
        (["BREACHED"], told("breached", 23), []),
        (["BREACHED"], told("breached", 20), ["breached"]),
        (["BREACHED"], told("recovered", 23), ["breached"]),
        (["OK"], told("breached", 23), ["recovered"]),
        (["OK"], told("recovered", 23), []),
        (["INCONCLUSIVE"], told("breached", 23), []),
        (["BREACHED"], told("breached", 23, "monitor inputs"), ["breached"]),
    ],
)
def test_a_change_is_news_and_what_lasts_is_news_again_after_four_hours(
    statuses: list[str], known: dict[str, Notice], kinds: list[str]
) -> None:
    verdicts = [verdict(status, 20 + position / 2) for position, status in enumerate(statuses)]
    assert news(verdicts[::-1], known) == kinds


def test_what_a_backlog_says_of_long_ago_is_no_news() -> None:
    days = 24
    assert news([verdict("BREACHED", 0)], hours=15 * days) == []
    assert news([verdict("BREACHED", 2 * days)], hours=15 * days) == ["breached"]


def test_who_wants_no_end_is_told_of_none_but_of_the_next_beginning() -> None:
    only = channel(kinds=frozenset({"breached"}))
    verdicts = [verdict("BREACHED", 1), verdict("OK", 2), verdict("BREACHED", 3)]
    found = verdict_news(only, "clicks", "h1", verdicts, {}, at(4 * HOUR))
    assert [one.kind for one in found] == ["breached", "breached"]


def test_what_is_told_of_a_verdict_is_json() -> None:
    [found] = verdict_news(
        WATCHED, "clicks", "h1", [verdict("BREACHED", 1, value=float("nan"))], {}, at(2 * HOUR)
    )
    assert found.payload == {
        "event": "verdict",
        "at": "2026-01-01T01:00:00+00:00",
        "actor": "ctrain",
        "message": "brier: 0.25 is above 0.2",
        "run": None,
        "policy_hash": "h1",
        "model": "clicks",
        "monitor": "brier",
        "value": None,
        "threshold": 0.2,
        "n": 1000,
    }
    assert found.next_attempt_at == found.waiting_since + timedelta(seconds=30)
    [again] = verdict_news(WATCHED, "clicks", "h1", [verdict("BREACHED", 1)], {}, at(3 * HOUR))
    assert again.key == found.key


@pytest.mark.parametrize(
    ("suppression", "known", "number"),
    [
        ("cooldown", {}, 1),
        ("cooldown", told("suppressed", 23, "trigger degraded", payload={"reason": "cooldown"}), 0),
        ("cooldown", told("suppressed", 20, "trigger degraded", payload={"reason": "cooldown"}), 1),
        ("budget", told("suppressed", 23, "trigger degraded", payload={"reason": "cooldown"}), 1),
        ("cooldown", told("suppressed", 23, "trigger nightly", payload={"reason": "cooldown"}), 1),
    ],
)
def test_a_trigger_that_is_held_back_is_told_once_for_each_reason(
    suppression: str, known: dict[str, Notice], number: int
) -> None:
    decision = Decision(
        TriggerName("degraded"), Outcome.SUPPRESSED, "2 h left", suppression=Suppression(suppression)
    )
    found = decision_news(WATCHED, "clicks", "h1", decision, known, at(24 * HOUR), at(24 * HOUR))
    assert len(found) == number
    assert [one.payload["message"] for one in found] == ["degraded: 2 h left"] * number

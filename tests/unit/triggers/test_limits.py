from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import Phase, RunId, Suppression
from ctrain.policy.models import Limits
from ctrain.triggers.limits import EndedRun, LimitFacts, backoff_until, refusals
from ctrain.triggers.training_time import TimeSpent

NOW = datetime(2013, 3, 4, 12, tzinfo=UTC)
FINE = LimitFacts(
    paused=False,
    active_run=None,
    ended_runs=(),
    new_labels=5000,
    labelled_rows=5000,
    champion_readable=True,
)


def ended(phase: Phase, hours_ago: float, took: float = 1) -> EndedRun:
    end = NOW - timedelta(hours=hours_ago)
    return phase, end - timedelta(hours=took), end


def limits(**keys: Any) -> Limits:
    return Limits.model_validate(keys)


ALL = ["rejected", "failed", "rolled_back"]


@pytest.mark.parametrize(
    ("keys", "facts", "refusal"),
    [
        ({}, {}, None),
        ({}, {"paused": True}, (Suppression.PAUSED, "the policy is paused")),
        ({}, {"active_run": RunId("churn-3")}, (Suppression.ACTIVE_RUN, "run churn-3 is active")),
        (
            {},
            {"champion_readable": False},
            (Suppression.CHAMPION_UNREADABLE, "the champion cannot be read from the registry"),
        ),
        (
            {},
            {"labelled_rows": 99},
            (
                Suppression.INSUFFICIENT_DATA,
                "99 labelled, matured rows in the training window, 100 needed",
            ),
        ),
        ({}, {"labelled_rows": 100}, None),
        (
            {"cooldown": "6h"},
            {"ended_runs": [ended(Phase.ACCEPTED, 5)]},
            (
                Suppression.COOLDOWN,
                "cooldown of 6h after the run that ended 2013-03-04 07:00 UTC, until 2013-03-04 13:00 UTC",
            ),
        ),
        ({"cooldown": "6h"}, {"ended_runs": [ended(Phase.ACCEPTED, 6)]}, None),
        ({"cooldown": "6h"}, {}, None),
        (
            {"cooldown": "6h"},
            {"ended_runs": [ended(Phase.CANCELLED, 1), ended(Phase.ACCEPTED, 20)]},
            (
                Suppression.COOLDOWN,
                "cooldown of 6h after the run that ended 2013-03-04 11:00 UTC, until 2013-03-04 17:00 UTC",
            ),
        ),
        (
            {"backoff": {"after": ALL, "max": "7d"}},
            {"ended_runs": [ended(Phase.FAILED, 1)]},
            (Suppression.BACKOFF, "backoff after a run that ended FAILED, until 2013-03-04 13:00 UTC"),
        ),
        ({"backoff": {"after": ALL, "max": "7d"}}, {"ended_runs": [ended(Phase.FAILED, 2)]}, None),
        ({"backoff": {"after": ["failed"], "max": "7d"}}, {"ended_runs": [ended(Phase.REJECTED, 1)]}, None),
        (
            {"budget": {"runs": 2, "per": "7d"}},
            {"ended_runs": [ended(Phase.FAILED, 30), ended(Phase.ACCEPTED, 50, took=2)]},
            (Suppression.BUDGET, "2 runs in the last 7d, 2 allowed; next at 2013-03-09 08:00 UTC"),
        ),
        (
            {"budget": {"runs": 2, "per": "7d"}},
            {"ended_runs": [ended(Phase.FAILED, 30), ended(Phase.ACCEPTED, 167, took=1)]},
            None,
        ),
        (
            {"budget": {"training_time": "1h", "per": "7d"}},
            {"ended_runs": [ended(Phase.FAILED, 1, took=9)]},
            None,
        ),
        (
            {"budget": {"training_time": "8h", "per": "7d"}},
            {
                "time_spent": [TimeSpent(NOW - timedelta(hours=1), timedelta(hours=7.5), False)],
                "training_timeout": timedelta(hours=1),
            },
            (
                Suppression.BUDGET,
                "30m of training time left in 7d, 1h needed; next at 2013-03-11 11:00 UTC",
            ),
        ),
        (
            {"blackout": [{"days": ["mon"], "from": "11:00", "to": "13:00", "timezone": "UTC"}]},
            {"labelled_rows": 0},
            (Suppression.BLACKOUT, "blackout until 2013-03-04 13:00 UTC"),
        ),
        (
            {"min_new_labels": 5001},
            {},
            (Suppression.NEW_LABELS, "5000 new labelled rows since the last training, 5001 needed"),
        ),
        ({"min_new_labels": 5000}, {}, None),
    ],
)
def test_each_limit_refuses_with_its_reason(
    keys: dict[str, Any], facts: dict[str, Any], refusal: tuple[Suppression, str] | None
) -> None:
    found = refusals(limits(**keys), replace(FINE, **facts), NOW)
    assert (found[0] if found else None) == refusal


@pytest.mark.parametrize(
    ("phases", "pause_hours"),
    [
        ([], None),
        ([Phase.FAILED], 12),
        ([Phase.FAILED, Phase.REJECTED], 24),
        ([Phase.FAILED, Phase.REJECTED, Phase.ROLLED_BACK], 48),
        ([Phase.FAILED] * 5, 7 * 24),
        ([Phase.FAILED] * 5000, 7 * 24),
        ([Phase.FAILED, Phase.ACCEPTED, Phase.FAILED], 12),
        ([Phase.ACCEPTED, Phase.FAILED, Phase.FAILED], None),
        ([Phase.CANCELLED, Phase.FAILED], None),
    ],
    ids=[
        "none",
        "1",
        "2",
        "3",
        "longest",
        "5000",
        "reset by success",
        "last was a success",
        "last was cancelled",
    ],
)
def test_backoff_doubles_with_each_run_in_a_row_and_is_reset(
    phases: list[Phase], pause_hours: float | None
) -> None:
    """``phases`` from the newest run to the oldest; the pause begins at 6h and doubles."""
    runs = [ended(phase, hours_ago=position) for position, phase in enumerate(phases)]
    until = backoff_until(limits(cooldown="6h", backoff={"after": ALL, "factor": 2, "max": "7d"}), runs[::-1])
    assert until == (None if pause_hours is None else NOW + timedelta(hours=pause_hours))


def test_the_hardest_limit_is_named_first() -> None:
    facts = replace(
        FINE, paused=True, active_run=RunId("r-1"), champion_readable=False, labelled_rows=0, new_labels=0
    )
    everything = limits(min_new_labels=10)
    order = []
    for fix in (
        {"paused": False},
        {"active_run": None},
        {"champion_readable": True},
        {"labelled_rows": 5000},
        {"new_labels": 10},
    ):
        order.append(refusals(everything, facts, NOW)[0][0])
        facts = replace(facts, **fix)
    assert order == [
        Suppression.PAUSED,
        Suppression.ACTIVE_RUN,
        Suppression.CHAMPION_UNREADABLE,
        Suppression.INSUFFICIENT_DATA,
        Suppression.NEW_LABELS,
    ]
    assert refusals(everything, facts, NOW) == []

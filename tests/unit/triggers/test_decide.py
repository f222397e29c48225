from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import (
    Decision,
    MonitorName,
    Outcome,
    Phase,
    PolicyName,
    Request,
    RequestKind,
    RunId,
    Status,
    Suppression,
    TriggerName,
    TriggerState,
    Verdict,
)
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy
from ctrain.triggers.decide import MANUAL_TRIGGER, decide
from ctrain.triggers.limits import LimitFacts
from ctrain.triggers.schedules import Due

NOW = datetime(2013, 3, 4, 12, 30, tzinfo=UTC)
PANE = datetime(2013, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FINE = LimitFacts(
    paused=False, active_run=None, ended_runs=(), new_labels=800, labelled_rows=5000, champion_readable=True
)
TEMPLATE = (Path(__file__).parent.parent / "policy_files" / "minimal.yaml").read_text()


def policy(triggers: str, limits: str = "{}") -> Policy:
    head, rest = TEMPLATE.split("triggers:\n")
    tail = rest.split("train:", 1)[1]
    text = f"{head}triggers: {{{triggers}}}\nlimits: {limits}\ntrain:{tail}"
    return parse_policy(text, Path("p.yaml"), {}).policy


def verdict(name: str, status: Status) -> Verdict:
    return Verdict(MonitorName(name), PANE, status, 0.2, 0.1, 900, "because")


def state(name: str, met_hours: float | None, last_met_hours_ago: float | None = None) -> TriggerState:
    return TriggerState(
        TriggerName(name),
        met_since=None if met_hours is None else PANE - met_hours * HOUR,
        as_of=PANE,
        last_met_at=None if last_met_hours_ago is None else PANE - last_met_hours_ago * HOUR,
    )


def request(number: int = 1, kind: RequestKind = RequestKind.TRIGGER) -> Request:
    return Request(number, PolicyName("churn"), kind, "ada", NOW)


def decided(policy: Policy, **given: Any) -> list[Decision]:
    states = {one.trigger: one for one in given.get("states", ())}
    verdicts = {one.monitor: one for one in given.get("verdicts", ())}
    return decide(
        policy,
        states,
        given.get("facts", FINE),
        given.get("due", {}),
        given.get("requests", ()),
        NOW,
        verdicts,
        {one.trigger: one for one in given.get("regrets", ())},
    )


BOTH = (verdict("inputs", Status.BREACHED), verdict("error", Status.BREACHED))
ONE = (verdict("inputs", Status.BREACHED), verdict("error", Status.OK))


@pytest.mark.parametrize(
    ("trigger", "one", "verdicts", "outcome", "reason"),
    [
        (
            "{all: [inputs, error], for: 2h}",
            state("t", 2),
            BOTH,
            Outcome.FIRED,
            "inputs BREACHED, error BREACHED: met since 2013-03-04 10:00 UTC (2h)",
        ),
        (
            "{all: [inputs, error], for: 2h}",
            state("t", 1),
            BOTH,
            Outcome.NOT_MET,
            "inputs BREACHED, error BREACHED: BREACHED since 2013-03-04 11:00 UTC (1h), not yet for 2h",
        ),
        (
            "{all: [inputs, error]}",
            state("t", None),
            ONE,
            Outcome.NOT_MET,
            "inputs BREACHED, error OK: not met",
        ),
        (
            "{any: [inputs, error]}",
            state("t", 0),
            ONE,
            Outcome.FIRED,
            "inputs BREACHED, error OK: met since 2013-03-04 12:00 UTC (0s)",
        ),
        (
            "{any: [inputs], hold: 3h}",
            state("t", None, 2),
            (verdict("inputs", Status.INCONCLUSIVE),),
            Outcome.FIRED,
            "inputs INCONCLUSIVE: met until 2013-03-04 10:00 UTC, held until 2013-03-04 13:00 UTC",
        ),
        ("{any: [inputs], hold: 1h}", state("t", None, 2), (), Outcome.NOT_MET, "inputs: not met"),
        (
            "{any: [inputs]}",
            TriggerState(TriggerName("t")),
            (),
            Outcome.NOT_MET,
            "inputs: no pane has closed yet",
        ),
        (
            "{new_labels: 800}",
            None,
            (),
            Outcome.FIRED,
            "800 of 800 new labelled rows since the last training",
        ),
        (
            "{new_labels: 801}",
            None,
            (),
            Outcome.NOT_MET,
            "800 of 801 new labelled rows since the last training",
        ),
        (
            "{cron: '0 3 * * *', timezone: Asia/Tokyo}",
            None,
            (),
            Outcome.NOT_MET,
            "cron '0 3 * * *' Asia/Tokyo: nothing is due; next at 2013-03-04 18:00 UTC",
        ),
        ("{every: 7d}", None, (), Outcome.NOT_MET, "every 7d: nothing is due"),
    ],
)
def test_a_trigger_says_why(
    trigger: str, one: TriggerState | None, verdicts: tuple[Verdict, ...], outcome: Outcome, reason: str
) -> None:
    [decision] = decided(policy(f"t: {trigger}"), states=[one] if one else [], verdicts=verdicts)
    assert (decision.outcome, decision.reason, decision.suppression) == (outcome, reason, None)


def test_evidence_holds_the_verdicts() -> None:
    [decision] = decided(policy("t: {all: [inputs, error]}"), states=[state("t", None)], verdicts=ONE[:1])
    assert decision.evidence == {
        "monitors": {
            "inputs": {
                "status": "BREACHED",
                "value": 0.2,
                "threshold": 0.1,
                "n": 900,
                "as_of": "2013-03-04T12:00:00+00:00",
            }
        },
        "needed": 2,
        "met_since": None,
        "met_from": None,
        "as_of": "2013-03-04T12:00:00+00:00",
    }


def test_a_schedule_fires_with_its_occurrence_and_reports_missed_ones() -> None:
    due = Due(PANE, (PANE - 48 * HOUR, PANE - 24 * HOUR))
    [decision] = decided(policy("t: {every: 1d}"), due={TriggerName("t"): due})
    assert decision == Decision(
        TriggerName("t"),
        Outcome.FIRED,
        "every 1d: due since 2013-03-04 12:00 UTC; 2 earlier missed, the oldest 2013-03-02 12:00 UTC",
        occurrence_at=PANE,
        evidence={"missed": 2},
    )


def test_a_suppressed_occurrence_keeps_its_instant() -> None:
    [decision] = decided(
        policy("t: {every: 1d}"), due={TriggerName("t"): Due(PANE)}, facts=replace(FINE, paused=True)
    )
    assert decision.outcome is Outcome.SUPPRESSED
    assert decision.occurrence_at == PANE
    assert decision.reason == "every 1d: due since 2013-03-04 12:00 UTC; suppressed: the policy is paused"


@pytest.mark.parametrize(
    ("facts", "limits", "suppression"),
    [
        ({"paused": True}, "{}", Suppression.PAUSED),
        ({"active_run": RunId("churn-1")}, "{}", Suppression.ACTIVE_RUN),
        ({"champion_readable": False}, "{}", Suppression.CHAMPION_UNREADABLE),
        ({"labelled_rows": 3}, "{}", Suppression.INSUFFICIENT_DATA),
        ({}, "{cooldown: 6h}", Suppression.COOLDOWN),
        ({}, "{backoff: {after: [failed], max: 1d}}", Suppression.BACKOFF),
        ({}, "{budget: {runs: 1, per: 1d}}", Suppression.BUDGET),
        ({}, "{min_new_labels: 1000}", Suppression.NEW_LABELS),
    ],
)
def test_every_limit_suppresses_a_met_trigger(
    facts: dict[str, Any], limits: str, suppression: Suppression
) -> None:
    failed = (Phase.FAILED, NOW - HOUR, NOW - HOUR / 2)
    [decision] = decided(
        policy("t: {new_labels: 1}", limits), facts=replace(FINE, ended_runs=(failed,), **facts)
    )
    assert (decision.outcome, decision.suppression) == (Outcome.SUPPRESSED, suppression)
    assert decision.reason.startswith("800 of 1 new labelled rows since the last training; suppressed: ")


def test_a_trigger_that_is_not_met_is_not_suppressed() -> None:
    [decision] = decided(policy("t: {new_labels: 801}"), facts=replace(FINE, paused=True))
    assert (decision.outcome, decision.suppression) == (Outcome.NOT_MET, None)


def test_one_trigger_fires_and_the_others_name_it() -> None:
    decisions = decided(policy("quiet: {new_labels: 900}, b: {new_labels: 2}, a: {new_labels: 1}"))
    assert [(one.trigger, one.outcome, one.suppression) for one in decisions] == [
        ("quiet", Outcome.NOT_MET, None),
        ("b", Outcome.FIRED, None),
        ("a", Outcome.SUPPRESSED, Suppression.ACTIVE_RUN),
    ]
    assert decisions[2].reason.endswith("suppressed: the trigger b starts a run at the same moment")


def test_a_person_comes_first_and_only_one_of_two_is_served() -> None:
    decisions = decided(policy("t: {new_labels: 1}"), requests=[request(1), request(2)])
    assert [(one.trigger, one.outcome, one.suppression) for one in decisions] == [
        (MANUAL_TRIGGER, Outcome.FIRED, None),
        (MANUAL_TRIGGER, Outcome.SUPPRESSED, Suppression.ACTIVE_RUN),
        ("t", Outcome.SUPPRESSED, Suppression.ACTIVE_RUN),
    ]
    assert decisions[0].reason == "asked for by ada"
    assert decisions[0].evidence == {"request": 1, "actor": "ada"}


def test_requests_of_another_kind_start_nothing() -> None:
    assert decided(policy(""), requests=[request(kind=RequestKind.ROLLBACK)]) == []


def test_a_person_passes_over_cooldown_backoff_and_new_labels_and_that_is_recorded() -> None:
    failed = (Phase.FAILED, NOW - 2 * HOUR, NOW - HOUR)
    limits = "{cooldown: 6h, min_new_labels: 1000, backoff: {after: [failed], max: 7d}}"
    [decision] = decided(policy("", limits), requests=[request()], facts=replace(FINE, ended_runs=(failed,)))
    assert decision.outcome is Outcome.FIRED
    assert decision.reason == (
        "asked for by ada; passes over: "
        "cooldown of 6h after the run that ended 2013-03-04 11:30 UTC, until 2013-03-04 17:30 UTC; "
        "backoff after a run that ended FAILED, until 2013-03-04 23:30 UTC; "
        "800 new labelled rows since the last training, 1000 needed"
    )


@pytest.mark.parametrize(
    ("facts", "limits", "suppression"),
    [
        ({"paused": True}, "{}", Suppression.PAUSED),
        ({"active_run": RunId("churn-1")}, "{}", Suppression.ACTIVE_RUN),
        ({"champion_readable": False}, "{}", Suppression.CHAMPION_UNREADABLE),
        ({"labelled_rows": 3}, "{}", Suppression.INSUFFICIENT_DATA),
        ({}, "{budget: {runs: 1, per: 1d}, cooldown: 6h}", Suppression.BUDGET),
    ],
)
def test_a_person_does_not_pass_over_what_protects_model_data_and_bill(
    facts: dict[str, Any], limits: str, suppression: Suppression
) -> None:
    ended = (Phase.ACCEPTED, NOW - HOUR, NOW - HOUR / 2)
    [decision] = decided(
        policy("", limits), requests=[request()], facts=replace(FINE, ended_runs=(ended,), **facts)
    )
    assert (decision.outcome, decision.suppression) == (Outcome.SUPPRESSED, suppression)


COSTLY = "costly: {regret: {error_price: 0.5, training_price: 40, currency: EUR}}"


@pytest.mark.parametrize(
    ("wish", "limits", "outcome", "reason"),
    [
        (Outcome.NOT_MET, "{}", Outcome.NOT_MET, "so much of 40 EUR"),
        (Outcome.FIRED, "{}", Outcome.FIRED, "so much of 40 EUR"),
        (
            Outcome.FIRED,
            "{min_new_labels: 1000}",
            Outcome.SUPPRESSED,
            "so much of 40 EUR; suppressed: 800 new labelled rows since the last training, 1000 needed",
        ),
    ],
)
def test_regret_is_held_back_by_limits(wish: Outcome, limits: str, outcome: Outcome, reason: str) -> None:
    regret = Decision(TriggerName("costly"), wish, "so much of 40 EUR", evidence={"regret": 41.0})
    [decision] = decided(policy(COSTLY, limits), regrets=[regret])
    assert (decision.outcome, decision.reason) == (outcome, reason)
    assert decision.evidence == {"regret": 41.0}

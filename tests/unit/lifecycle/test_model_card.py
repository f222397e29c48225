"""The card of a version: it says what is known, and nothing where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ctrain.domain import Phase, Run, TriggerName, Version
from ctrain.lifecycle.approval import approval_wanted
from ctrain.lifecycle.gates import judge_gates
from ctrain.lifecycle.model_card import MAX_CHARACTERS, render_candidate_card, render_card
from ctrain.policy.models import AbsoluteGate, ChampionGate
from ctrain.stats.sequential import ComparisonState
from tests.support.runs import a_run
from tests.support.world import START

TRAINING = {
    "rows": 12000,
    "holdout_rows": 3000,
    "window_start": "2024-01-01T00:00:10+00:00",
    "holdout_start": "2024-01-25T08:00:00+00:00",
    "cut_off": "2024-01-31T00:00:00+00:00",
    "result": {"train_seconds": 4.25},
    "importance": {"x": 0.75, "kind": 0.25},
}
GATES = judge_gates(
    [AbsoluteGate(metric="roc_auc", min=0.6), ChampionGate(metric="brier", not_worse_than_champion_by=0.0)],
    {"roc_auc": 0.71, "brier": 0.181},
    {"roc_auc": 0.7, "brier": 0.19},
    n=2900,
)
EVALUATION: dict[str, Any] = {
    "challenger": {"roc_auc": 0.71, "brier": 0.181, "brier:gap:kind": 0.02},
    "champion": {"roc_auc": 0.7, "brier": 0.19},
    "paired": {"roc_auc": 0.72, "brier": 0.18},
    "fair_rows": 2900,
    "gates": GATES.to_json(),
}


def compared(mean: float, blocks: int) -> dict[str, Any]:
    state = ComparisonState()
    for _ in range(blocks):
        state = state.with_block(mean, 50)
    return {"state": state.to_json(), "origin": "2024-01-31T00:00:00+00:00", "clipped_rows": 0}


def a_challenger(phase: Phase = Phase.SHADOWING, **details: Any) -> Run:
    return a_run(
        phase=phase,
        challenger_version=Version("4"),
        champion_version=Version("3"),
        outcome_reason="gates passed",
        details={"training": TRAINING, **details},
    )


def sections(run: Run) -> dict[str, str]:
    _, *parts = render_card(run, "clicks", "brier").split("\n## ")
    return {title: text.strip() for title, _, text in (part.partition("\n") for part in parts)}


def test_a_card_begins_with_what_it_is_and_why() -> None:
    card = render_card(a_challenger(), "clicks", "brier")
    assert card.startswith("# clicks, version 4\n\n**SHADOWING: gates passed**\n\n## Why it was trained\n\n")
    assert "Trigger `degraded`, 2024-01-01 00:00 UTC: brier BREACHED (run clicks-1)" in card
    person = replace(a_challenger(), actor="ada", trigger=TriggerName("manual"), reason="asked for by ada")
    assert "Trigger `manual`, by ada, " in render_card(person, "clicks", "brier")


def test_what_is_not_known_is_left_out() -> None:
    assert list(sections(a_challenger())) == ["Why it was trained", "Rows", "Importance of features"]


def test_rows_and_importance() -> None:
    told = sections(a_challenger())
    assert told["Rows"].split("\n") == [
        "- trained on 12,000 rows, 2024-01-01 00:00 to 2024-01-25 08:00",
        "- held out for the gates: 3,000 rows, 2024-01-25 08:00 to 2024-01-31 00:00",
    ]
    assert told["Importance of features"] == "- x: 75.0%\n- kind: 25.0%"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {
                "candidate": {
                    "version": "2",
                    "result": {
                        "tuning": {
                            "params": {"depth": 4, "rate": 0.1},
                            "loss": 0.181,
                            "metric": "brier",
                            "sampler": "tpe",
                            "trials": 20,
                            "left_out": {"penalty": "l3"},
                        }
                    },
                }
            },
            "- tuned by tpe, 20 trials: depth 4, rate 0.1; brier 0.181 on the newest training rows\n"
            "- left out of the champion's parameters, as the search has no such value: penalty l3",
        ),
        ({"window": "the change that error found began then"}, "- the window: the change that error found"),
        ({"reused": "clicks-7"}, "- made by run clicks-7 from the same rows, code and parameters"),
        (
            {"candidate": {"version": "2"}},
            "- judged by the gates as version 2, without the last 3,000 rows, 2024-01-25 08:00",
        ),
        ({"candidate": {"version": "2"}}, "- trained on 12,000 rows, 2024-01-01 00:00 to 2024-01-31 00:00"),
        (
            {
                "result": {
                    "selection": {"chosen": "m:a", "metric": "brier", "losses": {"m:b": 0.2, "m:a": 0.19}}
                }
            },
            "- m:a was chosen by brier on the newest training rows: m:a 0.19, m:b 0.2",
        ),
        ({"result": {"unverified_holdout": True}}, "- the trainer logged the model itself"),
    ],
)
def test_how_it_came_about(more: dict[str, Any], words: str) -> None:
    assert words in sections(a_challenger(training={**TRAINING, **more}))["Rows"]


def test_metrics_stand_beside_those_of_the_champion_and_gates_with_their_reasons() -> None:
    told = sections(a_challenger(evaluation=EVALUATION))
    assert told["Metrics on held-out rows"].split("\n") == [
        "| metric | this version, all held-out rows | this version, later rows"
        " | champion (version 3), later rows |",
        "| --- | --- | --- | --- |",
        "| roc_auc | 0.71 | 0.72 | 0.7 |",
        "| brier | 0.181 | 0.18 | 0.19 |",
        "",
        "The later rows are the 2,900 that are later than the champion's training, too.",
    ]
    assert told["Gates"].count("passed with") == 2
    failed = {"passed": False, "reason": "roc_auc >= 0.9: failed with 0.71"}
    told_of_failure = sections(a_challenger(evaluation={**EVALUATION, "gates": {"results": [failed]}}))
    assert told_of_failure["Gates"] == "- **roc_auc >= 0.9: failed with 0.71**"
    assert "Slices" not in told


def test_models_that_were_judged_on_the_same_rows_stand_in_two_columns() -> None:
    told = sections(a_challenger(evaluation={**EVALUATION, "fair_rows": 3000}))
    assert told["Metrics on held-out rows"].split("\n") == [
        "| metric | this version | champion (version 3) |",
        "| --- | --- | --- |",
        "| roc_auc | 0.71 | 0.7 |",
        "| brier | 0.181 | 0.19 |",
        "",
        "Both on the same 3,000 rows.",
    ]


GROUPS = [
    {
        "metric": "brier",
        "by": "kind",
        "limit": 0.05,
        "gap": {"challenger": 0.02, "paired": 0.03, "champion": 0.01},
        "groups": [
            {"metric": "brier", "group": "a", "challenger": 0.17, "paired": 0.16, "champion": 0.18},
            {"metric": "brier", "group": "c|d", "challenger": 0.19, "paired": 0.19, "champion": 0.19},
        ],
    },
    {
        "metric": "equalized_odds",
        "by": "kind",
        "limit": 0.2,
        "gap": {"challenger": 0.1},
        "groups": [{"metric": "true_positive_rate", "group": "a", "challenger": 0.5}],
    },
    {"metric": "roc_auc", "by": "origin", "limit": 0.1, "gap": {}, "groups": []},
]


def test_each_gate_between_groups_is_told_with_the_groups_beside_the_champions() -> None:
    evaluation = {**EVALUATION, "groups": GROUPS}
    told = sections(a_challenger(evaluation=evaluation))
    assert told["Slices"].split("\n") == [
        "| groups | limit | this version, all held-out rows | this version, later rows"
        " | champion (version 3), later rows |",
        "| --- | --- | --- | --- | --- |",
        "| brier by kind, gap | 0.05 | 0.02 | 0.03 | 0.01 |",
        "| of a |  | 0.17 | 0.16 | 0.18 |",
        "| of c\\|d |  | 0.19 | 0.19 | 0.19 |",
        "| equalized_odds by kind, gap | 0.2 | 0.1 |  |  |",
        "| true_positive_rate of a |  | 0.5 |  |  |",
        "| roc_auc by origin, gap | 0.1 |  |  |  |",
    ]
    assert "gap" not in told["Metrics on held-out rows"]
    alike = sections(a_challenger(evaluation={**evaluation, "fair_rows": 3000}))["Slices"]
    assert "| brier by kind, gap | 0.05 | 0.02 | 0.01 |" in alike
    assert "| of a |  | 0.17 | 0.18 |" in alike


SERVED = {"latency_p50_ms": 1.25, "latency_p99_ms": 2.5, "size_bytes": 1234567, "deterministic": True}


def test_what_serving_costs_stands_beside_the_champion() -> None:
    serving = {"challenger": SERVED, "champion": {**SERVED, "latency_p99_ms": 3.0, "deterministic": False}}
    both = {**EVALUATION, "serving": serving}
    assert sections(a_challenger(evaluation=both))["Serving"].split("\n") == [
        "| serving | this version | champion (version 3) |",
        "| --- | --- | --- |",
        "| one row, median, in ms | 1.25 | 1.25 |",
        "| one row, 99th percentile, in ms | 2.5 | 3 |",
        "| size, in bytes | 1,234,567 | 1,234,567 |",
        "| the same rows get the same scores again | yes | no |",
    ]
    alone = {**EVALUATION, "serving": {"challenger": SERVED}}
    assert "| one row, median, in ms | 1.25 |  |" in sections(a_challenger(evaluation=alone))["Serving"]


CANDIDATE = {"rows": 12000, "result": {}, "reused": "clicks-0"}


def test_of_a_refit_the_candidates_metrics_and_its_own_serving_are_told() -> None:
    again = {**TRAINING, "rows": 15000, "candidate": {**CANDIDATE, "version": "2"}}
    serving = {"challenger": SERVED, "champion": SERVED}
    refitted = {"challenger": {**SERVED, "latency_p50_ms": 7.0}, "champion": SERVED}
    found = {**EVALUATION, "serving": serving, "refit_serving": refitted, "groups": GROUPS}
    run = a_challenger(training=again, evaluation=found, shadow=compared(-0.01, 30))
    told = sections(run)
    assert "| metric | version 2, which was fitted again, all" in told["Metrics on held-out rows"]
    assert "| one row, median, in ms | 7 | 1.25 |" in told["Serving"]
    assert "made by run" not in told["Rows"]
    card = render_candidate_card(run, "clicks", "which took its place")
    assert "\n- made by run clicks-0 from the same rows, code and parameters\n" in card
    became = "It passed the gates and was fitted again on all rows as version 4, which took its place"
    assert card.startswith(f"# clicks, version 2\n\n**{became}**\n")
    titles = ["Why it was trained", "Rows", "Gates", "Metrics on held-out rows", "Serving", "Slices"]
    assert [part.partition("\n")[0] for part in card.split("\n## ")[1:]] == titles
    assert "- trained on 12,000 rows, 2024-01-01 00:00 to 2024-01-25 08:00\n- held out for the" in card
    assert "| metric | this version, all held-out rows |" in card
    assert "| one row, median, in ms | 1.25 | 1.25 |" in card


def test_a_candidate_whose_refit_was_not_made_is_judged_itself() -> None:
    again = {**TRAINING, "rows": 15000, "candidate": {**CANDIDATE, "version": "4"}}
    told = sections(a_challenger(Phase.FAILED, training=again, evaluation=EVALUATION))
    assert told["Rows"].startswith(
        "- trained on 12,000 rows, 2024-01-01 00:00 to 2024-01-25 08:00\n- held out"
    )


@pytest.mark.parametrize("phase", [Phase.PROBATION, Phase.ACCEPTED, Phase.ROLLED_BACK, Phase.SUPERSEDED])
def test_a_promotion_that_no_person_was_asked_for_says_so(phase: Phase) -> None:
    run = a_challenger(phase, shadow=compared(-0.01, 30), probation=compared(0.002, 4))
    assert sections(run)["Approval"] == "- automatically, by the policy (`approval: auto`)"


@pytest.mark.parametrize("phase", [Phase.SHADOWING, Phase.REJECTED, Phase.SUPERSEDED, Phase.CANCELLED])
def test_what_was_not_promoted_was_not_approved(phase: Phase) -> None:
    assert "Approval" not in sections(a_challenger(phase, shadow=compared(0.01, 30)))


def test_a_first_champion_is_beside_nobody() -> None:
    run = a_challenger(evaluation={**EVALUATION, "champion": None})
    told = sections(replace(run, champion_version=None))["Metrics on held-out rows"]
    assert told.startswith("| metric | this version | champion (no champion) |")
    assert told.endswith("| brier | 0.181 |  |")
    nothing_fair = {**EVALUATION, "champion": {}, "paired": {}, "fair_rows": 0}
    assert "later" not in sections(a_challenger(evaluation=nothing_fair))["Metrics on held-out rows"]


def test_what_live_rows_said() -> None:
    run = a_challenger(Phase.PROBATION, shadow=compared(-0.01, 30), probation=compared(0.002, 4))
    told = sections(run)
    assert told["Shadow: the same live rows as the champion"] == (
        "- brier (bounded loss): -0.01 on average, better; 1,500 rows in 30 blocks from 2024-01-31 00:00 on"
    )
    assert (
        "+0.002 on average, worse; 200 rows in 4 blocks" in told["Probation: against the previous champion"]
    )
    nothing = sections(a_challenger(shadow=compared(0, 0)))
    assert nothing["Shadow: the same live rows as the champion"] == "- nothing has been compared yet"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"approved": True, "reason": "looked at\nthe slices"},
            "approved by ada, 2024-02-09 10:00: looked at the slices",
        ),
        ({"approved": False, "reason": ""}, "rejected by ada, 2024-02-09 10:00"),
    ],
)
def test_the_card_says_who_approved(answer: dict[str, Any], told: str) -> None:
    wanted = approval_wanted(a_challenger(), timedelta(days=2), START)
    answered = {**wanted, "by": "ada", "at": "2024-02-09T10:00:00+00:00", **answer}
    assert sections(a_challenger(approval=answered))["Approval"] == f"- {told}"


def test_what_was_seen_before_the_training() -> None:
    look = {"verdict": "not_learnable", "reason": "quick refits\nlose +0.1"}
    told = sections(a_challenger(training={**TRAINING, "learnable": look}))["Rows"]
    assert told.endswith("- the look before the training: not learnable; quick refits lose +0.1")
    prepared = {**TRAINING, "learnable": {"bound": 0.0, "past": 800}}
    assert "look" not in sections(a_challenger(training=prepared))["Rows"]


def test_who_is_waited_for() -> None:
    for expires_after, until in ((timedelta(days=2), " until 2024-01-03 00:00"), (None, "")):
        wanted = approval_wanted(a_challenger(), expires_after, START)
        assert sections(a_challenger(approval=wanted))["Approval"] == f"- waits for a person{until}"


def test_slices_that_live_rows_were_compared_on() -> None:
    slices = {
        name: compared(mean, blocks)["state"]
        for name, mean, blocks in (("kind=a", 0.01, 25), ("kind=b", 0, 0))
    }
    told = sections(a_challenger(shadow={**compared(-0.01, 30), "slices": slices}))["Slices"]
    assert told.split("\n")[2:] == ["| kind=a | +0.01 | 1,250 |"]
    both = a_challenger(
        evaluation={**EVALUATION, "groups": GROUPS}, shadow={**compared(-0.01, 30), "slices": slices}
    )
    assert "\n\n| slice | difference of the loss in the shadow | rows |" in sections(both)["Slices"]


def test_texts_of_others_make_no_markdown_of_their_own() -> None:
    run = replace(a_challenger(), reason="because\n# of\n\n## this", outcome_reason="a\nb")
    assert next(iter(sections(run))) == "Why it was trained"
    assert "because # of ## this" in sections(run)["Why it was trained"]
    odd = {**EVALUATION, "challenger": {"a|b": 1.0}}
    assert "| a\\|b | 1 |" in sections(a_challenger(evaluation=odd))["Metrics on held-out rows"]


def test_a_card_fits_into_the_databases_of_mlflow() -> None:
    many = {f"metric_{number}": 0.5 for number in range(1000)}
    card = render_card(a_challenger(evaluation={**EVALUATION, "challenger": many}), "clicks", "brier")
    assert len(card) <= MAX_CHARACTERS
    assert card.endswith("|\n\n*Cut here: the rest is on record in ctrain.*\n")


def test_only_the_features_that_matter_most_are_named() -> None:
    shares = {f"f{number:02}": 1 / 12 for number in range(12)}
    told = sections(a_challenger(training={**TRAINING, "importance": shares}))["Importance of features"]
    assert told.split("\n")[0] == "- f00: 8.3%"
    assert told.split("\n")[-1] == "- and 2 more"

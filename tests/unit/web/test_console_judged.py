"""What a run's page shows of the gates: tables beside the champion, or why there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ctrain.domain import Phase, Run, Version
from ctrain.queries.judged import Line, groups_of, metrics_of, serving_of
from tests.support.runs import a_run

SERVED = {"latency_p50_ms": 1.25, "latency_p99_ms": 2.5, "size_bytes": 1234567, "deterministic": True}
EVALUATION: dict[str, Any] = {
    "challenger": {"roc_auc": 0.71, "brier": 0.25, "brier:gap:kind": 0.02},
    "paired": {"roc_auc": 0.75, "brier": 0.5},
    "champion": {"roc_auc": 0.5, "brier": 0.25},
    "fair_rows": 2900,
    "serving": {"challenger": SERVED, "champion": {**SERVED, "deterministic": False}},
}
TRAINING = {"holdout_rows": 3000}
CHAMPION = "champion, version 3"


def judged(phase: Phase = Phase.SHADOWING, training: dict[str, Any] | None = None, **evaluation: Any) -> Run:
    found = {name: value for name, value in {**EVALUATION, **evaluation}.items() if value is not None}
    return a_run(
        phase=phase,
        challenger_version=Version("4"),
        champion_version=Version("3"),
        details={"training": {**TRAINING, **(training or {})}, "evaluation": found},
    )


def unjudged(phase: Phase) -> Run:
    return a_run(phase=phase, champion_version=Version("3"), details={"training": TRAINING})


def test_both_models_stand_beside_each_other_on_the_same_rows() -> None:
    shown = metrics_of(judged(), "brier")
    assert shown.columns == ("version 4, all rows", "version 4", CHAMPION)
    assert shown.lines == (
        Line("brier", (0.25, 0.5, 0.25), 0.25, better=False),
        Line("roc auc", (0.71, 0.75, 0.5), 0.25, better=True),
    )
    assert shown.note == "Both on the same 2,900 rows, held out and later than the champion's training."
    alike = metrics_of(judged(fair_rows=3000, paired={"roc_auc": 0.5}), "brier")
    assert alike.columns == ("version 4", CHAMPION)
    assert alike.lines == (Line("brier", (None, 0.25)), Line("roc auc", (0.5, 0.5), 0.0))
    assert alike.note == "Both on the same 3,000 held-out rows."


def test_of_a_refit_the_version_that_was_judged_is_named() -> None:
    training = {"candidate": {"version": "2"}}
    shown = metrics_of(judged(training=training), "brier")
    assert shown.columns == ("version 2, all rows", "version 2", CHAMPION)
    assert shown.note.endswith("the champion's training; the version was then fitted again on all rows.")
    again = {**EVALUATION["serving"], "challenger": {**SERVED, "latency_p50_ms": 9.0}}
    served = serving_of(judged(training=training, refit_serving=again))
    assert (served.columns[0], served.lines[0].values) == ("version 4", (9.0, 1.25))


def test_a_first_champion_stands_alone() -> None:
    first = replace(judged(champion=None, paired=None, serving={"challenger": SERVED}), champion_version=None)
    shown = metrics_of(first, "brier")
    assert (shown.columns, shown.beside) == (("version 4",), False)
    assert shown.lines[1] == Line("roc auc", (0.71,))
    assert shown.note == "There was no champion to compare with."
    served = serving_of(first)
    assert (served.columns, served.note) == (("version 4",), "There was no champion to compare with.")


def test_a_champion_that_knows_all_rows_has_no_metrics() -> None:
    shown = metrics_of(judged(champion={}, paired={}, fair_rows=0), "brier")
    assert shown.columns == ("version 4",)
    assert shown.note == "The champion has no metrics: 0 held-out rows are later than its training."


def test_what_serving_costs() -> None:
    shown = serving_of(judged())
    assert shown.columns == ("version 4", CHAMPION)
    assert shown.lines == (
        Line("one row, median, in ms", (1.25, 1.25)),
        Line("one row, 99th percentile, in ms", (2.5, 2.5)),
        Line("size, in bytes", (1234567, 1234567)),
        Line("same scores for the same rows", (True, False)),
    )
    silent = serving_of(judged(serving=None))
    assert (silent.lines, silent.note) == (
        (),
        "Not measured: no gate of the policy asks for latency, size or signature.",
    )


def test_gaps_between_groups_and_the_groups_they_lie_between() -> None:
    groups = [
        {
            "metric": "equalized_odds",
            "by": "kind",
            "limit": 0.2,
            "gap": {"challenger": 0.1, "champion": 0.3},
            "groups": [{"metric": "true_positive_rate", "group": "a", "challenger": 0.5, "champion": 0.25}],
        }
    ]
    shown = groups_of(judged(groups=groups))
    assert shown.lines == (
        Line("equalized odds by kind: gap", (0.1, None, 0.3), limit=0.2),
        Line("true positive rate of kind=a", (0.5, None, 0.25)),
    )
    assert groups_of(judged()).lines == ()


@pytest.mark.parametrize(
    ("phase", "note"),
    [
        (Phase.TRAINING, "Not judged yet: the gates come after the training."),
        (Phase.FAILED, "Never judged: the run ended before."),
    ],
)
def test_what_has_not_been_judged_says_why(phase: Phase, note: str) -> None:
    run = unjudged(phase)
    assert (metrics_of(run, "brier").note, serving_of(run).note) == (note, note)
    assert (metrics_of(run, "brier").lines, serving_of(run).lines, groups_of(run).lines) == ((), (), ())

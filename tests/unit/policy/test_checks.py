from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.errors import PolicyError
from ctrain.policy import metrics
from ctrain.policy.available import unavailable_parts
from ctrain.policy.checks import check_fleet, check_rates
from ctrain.policy.files import LoadedPolicy, load_policy, parse_policy
from ctrain.stats.metrics import HIGHER_IS_BETTER

FILES = Path(__file__).parent.parent / "policy_files"
MINIMAL = (FILES / "minimal.yaml").read_text()
SUFFIX = " is not available in this version of ctrain"


OF_JAPAN = "champion: now_jp, challenger: next_jp, previous_champion: last_jp"


def loaded(name: str = "churn", model: str = "churn", aliases: str = "") -> LoadedPolicy:
    text = MINIMAL.replace("policy: churn", f"policy: {name}")
    text = text.replace("name: churn,", f"name: {model}, aliases: {{{aliases}}},")
    return parse_policy(text, Path(f"/p/{name}-{model}.yaml"), {})


def test_policies_on_different_models_or_aliases_go_together() -> None:
    fleet = [loaded("a", "churn"), loaded("b", "sales"), loaded("c", "churn", OF_JAPAN)]
    assert check_fleet(fleet) == []


@pytest.mark.parametrize(
    ("aliases", "shared"),
    [
        ("", {"champion": "champion", "challenger": "challenger", "previous_champion": "previous_champion"}),
        ("champion: now_jp, challenger: next_jp", {"previous_champion": "previous_champion"}),
        (OF_JAPAN.replace("next_jp", "challenger"), {"challenger": "challenger"}),
        (OF_JAPAN.replace("last_jp", "champion"), {"previous_champion": "champion"}),
    ],
    ids=["all", "previous champion", "challenger", "one policy's previous champion is another's champion"],
)
def test_two_policies_of_one_model_share_no_alias(aliases: str, shared: dict[str, str]) -> None:
    assert check_fleet([loaded("a"), loaded("b", aliases=aliases)]) == [
        f"/p/b-churn.yaml: model.name: the alias {alias} of the model churn is looked after by the policy a "
        f"(/p/a-churn.yaml); map another name in model.aliases.{key}"
        for key, alias in shared.items()
    ]


def test_two_files_with_one_policy_name_are_refused() -> None:
    assert check_fleet([loaded("a", "churn"), loaded("a", "sales")]) == [
        "/p/a-sales.yaml: policy: the name a is taken by /p/a-churn.yaml"
    ]


BRIER, SHADOW = (
    f"{key}.min_rows: 1000 rows cannot be reached: about" for key in ("monitors.brier", "shadow")
)


@pytest.mark.parametrize(
    ("rows_per_day", "problems"),
    [
        (
            10,
            [
                f"{BRIER} 10 a day, as the files have them, are 70 in 7d",
                f"{SHADOW} 10 a day, as the files have them, are 270 in 27d",
            ],
        ),
        (
            100,
            [f"{BRIER} 100 a day, as the files have them, are 700 in 7d"],
        ),
        (143, []),
    ],
)
def test_rows_that_the_seen_rate_cannot_reach(rows_per_day: float, problems: list[str]) -> None:
    assert check_rates(loaded().policy, rows_per_day) == problems


def test_rows_that_a_window_of_quality_cannot_have() -> None:
    quality = "monitors:\n  nulls: {type: quality, window: 1h, max_null_rate: 0.1}"
    policy = parse_policy(MINIMAL.replace("monitors:", quality), Path("p.yaml"), {}).policy
    message = (
        "monitors.nulls.min_rows: 100 rows cannot be reached: about 2,000 a day, as the files have them, "
        "are 83 in 1h"
    )
    assert check_rates(policy, 2000) == [message]
    assert check_rates(policy, 2400) == []


def test_the_whole_format_can_be_run() -> None:
    policy = load_policy(FILES / "example.yaml", {"CTRAIN_NOTIFY_URL": "https://chat"}).policy
    assert unavailable_parts(policy) == []


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (
            "timeout: 1h}",
            "timeout: 1h, launcher: {type: kubernetes}}",
            "train.launcher.type: the launcher kubernetes",
        ),
    ],
)
def test_a_part_that_cannot_be_run_yet_is_named(old: str, new: str, part: str) -> None:
    assert old in MINIMAL
    policy = parse_policy(MINIMAL.replace(old, new, 1), Path("p.yaml"), {}).policy
    assert unavailable_parts(policy) == [part + SUFFIX]


def test_other_interpreters_and_the_smallest_policy_can_be_run() -> None:
    text = MINIMAL.replace("task: binary", "python: /opt/py/bin/python, task: binary")
    assert unavailable_parts(parse_policy(text, Path("p.yaml"), {}).policy) == []


def test_policies_and_statistics_agree_on_which_metrics_are_better_when_higher() -> None:
    assert metrics.HIGHER_IS_BETTER == HIGHER_IS_BETTER


@pytest.mark.parametrize(
    "gate",
    [
        *(
            f"{{metric: {metric}, by: country, max_gap: 0.1}}"
            for metric in (
                "selection_rate",
                "true_positive_rate",
                "false_positive_rate",
                "equalized_odds",
                "f1",
            )
        ),
        "{signature: same}",
        "{latency_p50_ms: 5}",
    ],
)
def test_gates_of_fairness_and_of_serving_alone(gate: str) -> None:
    text = MINIMAL.replace("{metric: brier, max: 0.3}", gate)
    policy = parse_policy(text, Path("p.yaml"), {}).policy
    assert len(policy.gates) == 1
    assert unavailable_parts(policy) == []


@pytest.mark.parametrize(
    ("gate", "task", "message"),
    [
        ("{metric: selection_rate, max: 0.5}", "binary", "roc_auc, zero_one, got selection_rate"),
        ("{metric: tpr, by: country, max_gap: 0.1}", "binary", "true_positive_rate, zero_one, got tpr"),
        ("{metric: equalized_odds, by: country, max_gap: 0.1}", "multiclass", "got equalized_odds"),
    ],
)
def test_rates_are_compared_between_groups_of_two_classes_alone(gate: str, task: str, message: str) -> None:
    text = MINIMAL.replace("{metric: brier, max: 0.3}", gate).replace("binary", task)
    with pytest.raises(PolicyError, match=message):
        parse_policy(text, Path("p.yaml"), {})

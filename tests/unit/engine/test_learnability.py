"""How much worse a challenger may be, which decides whether a training is worth beginning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctrain.engine.advance.learnability import allowed_on, allowed_worsening
from ctrain.policy.files import parse_policy
from ctrain.stats.losses import LOG_LOSS_CAP

MINIMAL = (Path(__file__).parent.parent / "policy_files" / "minimal.yaml").read_text()


def policy_text(task: str = "binary", metric: str = "brier", gates: str = "", shadow: str = "") -> str:
    text = MINIMAL.replace("task: binary, metric: brier", f"task: {task}, metric: {metric}")
    text = text.replace("type: performance, metric: brier", f"type: performance, metric: {metric}")
    text = text.replace("- {metric: brier, max: 0.3}", gates or f"- {{metric: {metric}, max: 9}}")
    return text.replace("shadow: {", f"shadow: {{{shadow}")


AGAINST = "- {metric: brier, not_worse_than_champion_by: 0.01}"


@pytest.mark.parametrize(
    ("text", "scale", "bound"),
    [
        (policy_text(shadow="margin: 0.002, "), None, 0.002),
        (policy_text(gates=AGAINST, shadow="margin: 0.002, "), None, 0.002),
        (policy_text(gates=AGAINST, shadow="margin: 0.02, "), None, 0.01),
        (policy_text(gates=AGAINST.replace("brier", "log_loss"), shadow="margin: 0.02, "), None, 0.02),
        (policy_text(gates=AGAINST, shadow="min_gain: 0.03, "), None, -0.03),
        (policy_text(metric="log_loss", shadow="margin: 0.01, "), None, 0.01 * LOG_LOSS_CAP),
        (policy_text("regression", "absolute_error", shadow="margin: 0.01, "), 50.0, 0.5),
        (policy_text("regression", "absolute_error", shadow="margin: 0.01, "), None, 0.0),
    ],
)
def test_it_is_what_the_strictest_of_gates_and_shadow_allows(
    text: str, scale: float | None, bound: float
) -> None:
    policy = parse_policy(text, Path("churn.yaml"), {}).policy
    assert allowed_worsening(policy, scale) == pytest.approx(bound)


def test_the_unit_of_errors_comes_from_rows_that_the_champion_has_not_learned() -> None:
    """It errs by 1 on what it was trained on and by 40 on what it was not."""
    text = policy_text("regression", "absolute_error", shadow="margin: 0.01, ")
    policy = parse_policy(text, Path("churn.yaml"), {}).policy
    later = np.arange(1000) >= 700
    scores = np.where(later, 40.0, 1.0)
    assert allowed_on(policy, np.zeros(1000), scores, later) == pytest.approx(0.4)
    assert allowed_on(policy, np.zeros(1000), scores, ~later) == pytest.approx(0.01)

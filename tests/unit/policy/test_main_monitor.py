"""Which monitor speaks for a policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.policy.files import parse_policy
from ctrain.policy.main_monitor import main_monitor
from tests.support.live import POLICY

BRIER = "brier: {type: performance, metric: brier, window: 12h, above: 0.01, min_rows: 100}"
AUC = "auc: {type: performance, metric: roc_auc, window: 12h, below: 0.6, min_rows: 100}"
INPUTS = "inputs: {type: drift, window: 6h, min_rows: 100, fdr: 0.01, min_effect: 0.15}"
ERROR = "error: {type: change, on: loss, hold: 1d}"
FRESH = "fresh: {type: freshness, max_age: 2h}"


@pytest.mark.parametrize(
    ("monitors", "expected"),
    [
        ([AUC, INPUTS, BRIER], "brier"),
        ([FRESH, INPUTS, AUC], "auc"),
        ([FRESH, INPUTS, ERROR], "error"),
        ([FRESH, INPUTS], "inputs"),
        ([FRESH], "fresh"),
    ],
)
def test_what_tells_most_of_the_model_speaks(monitors: list[str], expected: str) -> None:
    before, _, rest = POLICY.partition("monitors:\n")
    after = rest[rest.index("limits:") :]
    listed = "".join(f"  {one}\n" for one in monitors)
    triggers = f"triggers:\n  t: {{any: [{monitors[0].partition(':')[0]}]}}\n"
    policy = parse_policy(f"{before}monitors:\n{listed}{triggers}{after}", Path("p.yaml"), {}).policy
    assert main_monitor(policy) == expected

"""The page says what was found, in one file, and takes no text of a policy for markup."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from ctrain.backtest.ledger import Point
from ctrain.backtest.page import make_page, picture_request
from ctrain.backtest.result import Backtest, Happening, Look, Outcome
from ctrain.domain import Version
from tests.support.backtests import HOUR, START


def an_outcome(name: str, metric: float = 0.2, suppressed: Mapping[str, int] | None = None) -> Outcome:
    counts = {"cooldown": 3} if suppressed is None else suppressed
    points = (
        Point(START, START + HOUR, 5, metric, Version("1")),
        Point(START + HOUR, START + 2 * HOUR, 0, math.nan, None),
    )
    return Outcome(name, metric, 5, 2, 1, 0, 1.5, 100, points, counts, {"ACCEPTED": 1})


def a_backtest(**changes: object) -> Backtest:
    given: dict[str, object] = {
        "name": "clicks",
        "metric_name": "brier",
        "judged_from": START,
        "judged_until": START + 2 * HOUR,
        "first_train_seconds": 0.5,
        "first_train_rows": 50,
        "policy": an_outcome("policy"),
        "baselines": {"never": an_outcome("never", 0.3), "always": an_outcome("always", 0.15)},
        "events": [Happening(START, "run_queued", "<script>x</script>", "clicks-1", "degraded", None)],
        "drift": {},
    }
    return Backtest(**{**given, **changes})  # type: ignore[arg-type]  # a builder with defaults


def test_the_document_has_no_number_that_json_lacks() -> None:
    document = json.loads(json.dumps(a_backtest().to_json(), allow_nan=False))
    assert document["policy"]["series"][1] == {
        "from": (START + HOUR).isoformat(),
        "to": (START + 2 * HOUR).isoformat(),
        "rows": 0,
        "metric": None,
        "version": None,
    }
    assert {"policy", "baselines", "events"} <= set(document)
    assert document["policy"]["suppressed"] == {"cooldown": 3}


def test_regret_is_the_difference_to_always_over_the_same_rows() -> None:
    regret = a_backtest().regret
    assert regret is not None
    assert [regret.per_row, regret.total] == pytest.approx([0.05, 0.25])
    assert a_backtest(baselines={}).regret is None


def test_the_page_says_it_in_a_sentence_and_escapes_reasons() -> None:
    page = make_page(a_backtest(), {"metric.svg": b"<svg/>"})
    assert "its mean brier was 0.2000; without any retraining it would have been 0.3000" in page
    assert "&lt;script&gt;x" in page
    assert "<script" not in page
    assert page.count("<img ") == 1


def test_of_a_reason_with_a_log_the_page_has_the_first_line() -> None:
    failed = Happening(START, "run_failed", "it failed\nTraceback", "clicks-1", "degraded", None)
    assert "<td>it failed</td></tr>" in make_page(a_backtest(events=[failed]), {})


def test_wide_tables_move_sideways_where_a_screen_is_narrow() -> None:
    page = make_page(a_backtest(), {})
    assert ".wide { overflow-x: auto; }" in page
    assert page.count('<div class="wide"><table>') == 2


def test_the_page_says_regret_and_why_triggers_were_suppressed() -> None:
    page = make_page(a_backtest(policy=an_outcome("policy", suppressed={"budget": 2, "new_labels": 7})), {})
    assert "Regret against always: +0.0500 a row, +0.3 over all 5 rows; above zero the policy was" in page
    assert re.findall(r"<tr><td>([\w ]+)</td><td class=\"number\">(\d+)</td></tr>", page) == [
        ("new labels", "7"),
        ("budget", "2"),
    ]
    plain = make_page(a_backtest(policy=an_outcome("policy", suppressed={}), baselines={}), {})
    assert "Regret" not in plain
    assert "No trigger was suppressed." in plain


def test_the_heat_map_keeps_the_largest_ratio_of_each_part_of_the_time() -> None:
    looks = [Look(START + timedelta(minutes=at), ratio, 10, None) for at, ratio in ((0, 0.5), (1, 2.0))]
    late = [Look(START + 300 * HOUR, 0.1, 10, None)]
    drift = picture_request(a_backtest(drift={"x": [*looks, *late], "z": late}))["drift"]
    assert drift["features"] == ["x", "z"]
    assert drift["ratios"] == [[2.0, None, 0.1], [None, None, 0.1]]

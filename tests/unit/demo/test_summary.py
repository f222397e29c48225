from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ctrain.demo.daemon import Stage
from ctrain.demo.ledger import Means
from ctrain.demo.story import unmet
from ctrain.demo.summary import Summary, where_to_look
from ctrain.domain import MonitorName, Run, RunId, Status, Verdict
from tests.unit.demo.builders import day, first_model, fused, real_drift, shuffled

NO_MEANS = Means(float("nan"), float("nan"), 0)
SEEN = Verdict(MonitorName("inputs"), day(43), Status.BREACHED, 0.2, 0.1, 6099, "precipitation drifted")
PROMOTED = {"probation": {"since": "2013-03-06"}}


def _summary(runs: Sequence[Run], means: Means = NO_MEANS, with_staged: Means = NO_MEANS) -> Summary:
    return Summary(
        started_at=day(0),
        ended_at=day(135),
        rows=100_000,
        labels=97_000,
        runs=runs,
        grounds={RunId("flight-delay-2"): [SEEN]},
        means=means,
        means_with_staged=with_staged,
        seconds=123.45,
        home=Path("/demo"),
        unmet=unmet(runs),
    )


def _whole_story() -> list[Run]:
    drift, burnt = replace(real_drift(), details=PROMOTED), fused()
    return [first_model(), drift, shuffled(), replace(burnt, details={**burnt.details, **PROMOTED})]


def test_json_counts_what_happened_and_marks_what_was_staged() -> None:
    means, with_staged = Means(0.15, 0.17, 50_000), Means(0.19, 0.17, 60_000)
    found = json.loads(json.dumps(_summary(_whole_story(), means, with_staged).to_json()))
    assert found["simulated_days"] == 135
    assert found["promotions"] == 2
    assert found["rejections"] == 1
    assert found["rollbacks"] == 1
    assert found["real_drift_triggers"] == 1
    assert (found["live_metric"], found["frozen_metric"]) == (0.15, 0.17)
    assert (found["live_metric_with_staged"], found["seconds"]) == (0.19, 123.5)
    assert found["as_told"] is True
    assert [run["staged"] for run in found["runs"]] == [None, None, "shuffled_labels", "fuse"]
    assert found["runs"][1]["reason"] == "harmful-drift: 2 of inputs, brier, error"
    assert found["runs"][1]["grounds"] == {"inputs": "precipitation drifted"}
    assert found["runs"][3] == {
        "id": "flight-delay-4",
        "trigger": "manual",
        "reason": "STAGED: y",
        "staged": "fuse",
        "grounds": {},
        "phase": "ROLLED_BACK",
        "challenger_version": "4",
        "started": "2013-03-28T00:00:00+00:00",
        "ended": "2013-05-09T00:00:00+00:00",
        "outcome": "ended ROLLED_BACK",
    }


def test_a_story_that_did_not_come_true_says_what_is_missing() -> None:
    summary = _summary(_whole_story()[:3])
    assert summary.to_json()["as_told"] is False
    assert summary.figures()[-1] == (
        "NOT AS TOLD: the model with the fuse promoted and rolled back was not seen"
    )


def test_the_damage_of_the_fuse_is_shown_apart() -> None:
    lines = _summary(_whole_story(), Means(0.15, 0.17, 50_000), Means(0.19, 0.18, 60_000)).figures()
    assert "live 0.1500, frozen first model 0.1700" in lines[1]
    assert "live 0.1900, frozen first model 0.1800" in lines[2]


def test_the_table_holds_a_line_for_each_run() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(_summary(_whole_story()).table())
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    for word in (
        "flight-delay-1",
        "REJECTED",
        "ROLLED_BACK",
        "STAGED: x",
        "harmful-drift",
        "precipitation drifted",
    ):
        assert word in text


def test_where_to_look_names_commands_that_can_be_pasted() -> None:
    stage = Stage(home=Path("/demo"), policy=Path("/p/flight_delay.yaml"), listen="127.0.0.1:9999")
    lines = "\n".join(where_to_look(stage))
    assert "mlflow ui --backend-store-uri sqlite:////demo/mlflow.db" in lines
    assert (
        "FLIGHTS=/demo/stream ctrain run /p/flight_delay.yaml --home /demo --listen 127.0.0.1:9999" in lines
    )
    assert "http://127.0.0.1:9999/metrics" in lines

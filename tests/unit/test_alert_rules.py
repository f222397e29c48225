"""The rules for Prometheus: each alert is tried, says what to do, and asks for metrics that there are."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
from ruamel.yaml import YAML

from ctrain.telemetry import CATALOG, PREFIX
from tests.support.dashboards import DASHBOARDS, ROOT, load, metrics_in
from tests.support.reference import commands_table

FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "ctrain.rules.yml"
TRIALS = sorted(FOLDER.glob("*.tests.yml"))
RUNBOOKS = (ROOT / "deploy" / "runbooks.md").read_text()
HEADINGS = re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE)
SEVERITIES = {"page", "ticket", "info"}


def rules(kind: str) -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(RULES)["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = rules("alert")


def slug(heading: str) -> str:
    """The anchor that a heading has where Markdown is shown."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.service("promtool")
@pytest.mark.parametrize(
    "words", [("check", "rules", RULES), ("test", "rules", *TRIALS)], ids=["the rules", "their trials"]
)
def test_prometheus_has_nothing_to_say_against(words: tuple[object, ...]) -> None:
    checked = subprocess.run(
        ["promtool", *map(str, words)], capture_output=True, text=True, check=False, timeout=300
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert set(alert["annotations"]) == {"summary", "description", "runbook", "dashboard"}
    assert alert["labels"]["severity"] in SEVERITIES
    assert section(alert) in map(slug, HEADINGS)
    uid, _, chosen = alert["annotations"]["dashboard"].removeprefix("/d/").partition("?")
    assert uid in {load(path)["uid"] for path in DASHBOARDS}
    about_a_policy = "$labels.policy" in alert["annotations"]["summary"]
    assert chosen == ("var-policy={{ $labels.policy }}" if about_a_policy else "")


def section(alert: dict[str, Any]) -> str:
    """The anchor of the runbooks that an alert names."""
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert page == "deploy/runbooks.md"
    return str(anchor)


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    assert sorted(map(section, ALERTS)) == sorted(map(slug, HEADINGS))


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_section_says_what_to_look_at_what_to_do_and_when_to_call_somebody(heading: str) -> None:
    text = RUNBOOKS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE) == ["Means", "Look at", "Do", "Escalate"]
    look_at = text.partition("**Look at.**")[2].partition("**Do.**")[0]
    assert re.search(r"`ctrain [a-z]|page|dashboard", look_at)


def test_every_alert_is_tried_firing() -> None:
    trials = [trial for path in TRIALS for trial in YAML(typ="safe").load(path)["tests"]]
    tried = {one["alertname"] for trial in trials for one in trial["alert_rule_test"] if "exp_alerts" in one}
    assert tried == {alert["alert"] for alert in ALERTS}


def test_trials_judge_every_group_in_the_order_of_the_file() -> None:
    """What one group records the next ones ask for: a group that is not named comes at a random time."""
    groups = [group["name"] for group in YAML(typ="safe").load(RULES)["groups"]]
    assert [YAML(typ="safe").load(path)["group_eval_order"] for path in TRIALS] == [groups] * len(TRIALS)


def test_rules_ask_for_metrics_that_are_there() -> None:
    there = {f"{PREFIX}{name}" for name in CATALOG}
    asked = {name for rule in [*ALERTS, *rules("record")] for name in metrics_in(rule["expr"])}
    assert asked - there == set()
    assert len(asked) > 15


def test_what_is_recorded_is_asked_for() -> None:
    text = RULES.read_text()
    recorded = [rule["record"] for rule in rules("record")]
    assert [name for name in recorded if text.count(name) < 2] == []


def test_commands_of_the_runbooks_are_there() -> None:
    there = set(re.findall(r"`ctrain ([a-z ]+)`", commands_table()))
    named = set(
        re.findall(
            r"`ctrain ((?:[a-z]+ ?)+)(?: [A-Z]+)?`", f"{RUNBOOKS}{RULES.read_text()}".replace("\n", " ")
        )
    )
    assert {name.strip() for name in named} - there == set()
    assert len(named) > 10

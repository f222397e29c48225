"""Dashboards and provisioning keep to what Grafana and other people's Grafanas need."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from ctrain.domain import Outcome, Phase, Suppression
from ctrain.telemetry import CATALOG, PREFIX
from tests.support.dashboards import DASHBOARDS, ROOT, load, metrics_in, panel_queries, variable_queries
from tests.support.grafana.mappings import PHASES
from tests.support.grafana.model import Dashboard
from tests.support.grafana.standing import REASONS
from tests.support.grafana.written import files

UIDS = {"ctrain-fleet", "ctrain-policy", "ctrain-run"}
VARIABLES = {
    "ctrain-fleet": ["datasource", "job", "policy"],
    "ctrain-policy": ["datasource", "job", "policy"],
    "ctrain-run": ["datasource", "job", "policy", "phase"],
}


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    path: Path = request.param
    return load(path)


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_there_are_three_and_each_is_what_its_source_says() -> None:
    assert {load(path)["uid"] for path in DASHBOARDS} == UIDS
    assert {path: path.read_text() for path in DASHBOARDS} == files(), "`make docs` writes them anew"


def test_grafana_knows_every_key_and_every_word(dashboard: dict[str, Any]) -> None:
    known = Dashboard.model_validate_json(json.dumps(dashboard))
    assert (known.uid, len(known.panels)) == (dashboard["uid"], len(dashboard["panels"]))


def _misspell_an_option(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["options"]["colourMode"] = "value"


def _invent_a_word(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["options"]["colorMode"] = "backgrund"


def _name_a_source(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["targets"][0]["datasource"]["uid"] = "P1809F7CD0C75ACF3"


def _use_what_was_removed(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["type"] = "graph"


def _keep_a_servers_id(dashboard: dict[str, Any]) -> None:
    dashboard["id"] = 7


@pytest.mark.parametrize(
    "spoil",
    [_misspell_an_option, _invent_a_word, _name_a_source, _use_what_was_removed, _keep_a_servers_id],
    ids=lambda spoil: spoil.__name__.strip("_"),
)
def test_a_wrong_dashboard_is_recognised(spoil: Callable[[dict[str, Any]], None]) -> None:
    dashboard = load(DASHBOARDS[0])
    spoil(dashboard)
    with pytest.raises(ValidationError):
        Dashboard.model_validate_json(json.dumps(dashboard))


def test_variables_ask_prometheus_for_the_labels_there_are(dashboard: dict[str, Any]) -> None:
    names = VARIABLES[dashboard["uid"]]
    assert [one["name"] for one in dashboard["templating"]["list"]] == names
    for name, selector, label in variable_queries(dashboard):
        assert name == label
        (metric,) = metrics_in(selector)
        assert metric.removeprefix(PREFIX) in CATALOG
    used = set(re.findall(r"\$(job|policy|phase)\b", json.dumps(dashboard)))
    assert used == set(names) - {"datasource"}


def test_panels_fill_rows_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (1 + max(y for _, y in taken))


def test_a_title_is_said_once_and_every_number_has_its_colours(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(dashboard)]
    assert sorted(set(titles)) == sorted(titles)
    for panel in panels(dashboard):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        values = [step["value"] for step in steps]
        assert values[0] is None, panel["title"]
        assert values[1:] == sorted(values[1:]), panel["title"]


def test_a_number_is_of_the_present_not_the_last_one_that_somebody_told(dashboard: dict[str, Any]) -> None:
    shown = [panel for panel in panels(dashboard) if panel["type"] in ("stat", "bargauge", "table")]
    assert [panel["title"] for panel in shown if not all(one["instant"] for one in panel["targets"])] == []


def test_columns_that_are_spoken_of_are_there(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        spoken_of = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
        if panel["type"] == "table":
            organised = panel["transformations"][-1]["options"]
            names = [organised["renameByName"].get(name, name) for name in organised["indexByName"]]
            spoken_of |= {one["displayName"] for one in panel["options"]["sortBy"]}
        else:
            names = [target["legendFormat"] for target in panel["targets"]]
        assert spoken_of <= set(names), panel["title"]


def test_links_lead_to_dashboards_there_are_with_what_is_chosen(dashboard: dict[str, Any]) -> None:
    (link,) = dashboard["links"]
    assert link["includeVars"]
    assert link["keepTime"]
    assert set(link["tags"]) <= set(dashboard["tags"])
    urls = re.findall(r'"/d/([a-z-]+)\?', json.dumps(dashboard))
    assert set(urls) <= UIDS


def test_promotions_rollbacks_and_alerts_are_annotated(dashboard: dict[str, Any]) -> None:
    shown = {one["name"]: one["enable"] for one in dashboard["annotations"]["list"]}
    assert shown == {"Promotions": True, "Rollbacks": True, "Alerts": False}


def test_queries_use_metrics_that_exist() -> None:
    declared = {PREFIX + name for name in CATALOG}
    used: set[str] = set()
    for path in DASHBOARDS:
        used |= set().union(*(metrics_in(one.expression) for one in panel_queries(load(path))))
    assert used - declared == set()
    assert declared - used == set()


def test_every_phase_has_its_number_and_colour() -> None:
    assert set(PHASES) == {phase.value for phase in Phase if not phase.ended}
    assert len(set(PHASES.values())) == len(PHASES)


def test_every_reason_has_its_words() -> None:
    reasons = {one.value for one in Suppression} | {Outcome.FIRED.value, Outcome.NOT_MET.value}
    assert set(REASONS) == reasons


def test_provisioning_is_read_only() -> None:
    folder = ROOT / "grafana" / "provisioning"
    yaml = YAML(typ="safe")
    (provider,) = yaml.load(folder / "dashboards" / "ctrain.yaml")["providers"]
    assert provider["disableDeletion"] is True
    assert provider["allowUiUpdates"] is False
    (source,) = yaml.load(folder / "datasources" / "prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["editable"] is False
    assert source["url"].startswith("${")

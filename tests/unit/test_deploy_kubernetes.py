"""The manifests without helm: what the chart renders, put together by kubectl's own kustomize."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_validate import validate
from ruamel.yaml import YAML

from tests.support.deploy_tools import DEPLOY, ask

FOLDER = DEPLOY / "kubernetes"


@pytest.fixture(scope="module")
def built() -> list[dict[str, Any]]:
    done = ask("kubectl", "kustomize", FOLDER)
    assert (done.returncode, done.stderr) == (0, "")
    return list(YAML(typ="safe").load_all(done.stdout))


def test_they_are_what_the_chart_renders() -> None:
    done = ask("helm", "template", "ctrain", DEPLOY / "helm" / "ctrain", "--values", FOLDER / "values.yaml")
    assert done.returncode == 0, done.stderr
    assert (FOLDER / "ctrain.yaml").read_text() == done.stdout, "values.yaml says how it is rendered"


def test_kubernetes_knows_every_field(built: list[dict[str, Any]]) -> None:
    assert {one["kind"] for one in built} == {
        "Namespace", "Deployment", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service",
        "ServiceAccount",
    }  # fmt: skip
    for manifest in built:
        validate(manifest, "1.37", strict=True)


def test_all_of_it_is_in_its_namespace(built: list[dict[str, Any]]) -> None:
    (namespace,) = [one["metadata"]["name"] for one in built if one["kind"] == "Namespace"]
    inside = {one["metadata"].get("namespace") for one in built if one["kind"] != "Namespace"}
    assert inside == {namespace} == {"ctrain"}


def test_the_image_is_of_this_version(built: list[dict[str, Any]]) -> None:
    from ctrain import __version__

    (deployment,) = [one for one in built if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ctrain:{__version__}"


def test_what_has_to_be_made_by_hand_is_named(built: list[dict[str, Any]]) -> None:
    (deployment,) = [one for one in built if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    maps = [one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one]
    secrets = [one["secretRef"]["name"] for one in pod["containers"][0]["envFrom"]]
    text = (DEPLOY / "README.md").read_text()
    assert [name for name in [*maps, *secrets] if name not in text] == []

"""The chart, rendered by helm itself; whatever comes out is held against Kubernetes' own schemas."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from kubernetes_validate import validate
from ruamel.yaml import YAML

from tests.support.deploy_tools import DEPLOY, ask

CHART = DEPLOY / "helm" / "ctrain"
OLDEST, NEWEST = "1.25", "1.37"
ENOUGH = (
    "policiesConfigMap=clicks",
    "database.secret=ctrain-database",
    "mlflow.trackingUri=http://mlflow:5000",
)
EVERYTHING = (
    *ENOUGH,
    "ingress.enabled=true", "ingress.host=ctrain.example", "ingress.tlsSecret=ctrain-tls",
    "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true",
    "metrics.dashboards.enabled=true", "metrics.prometheusRule.labels.release=prometheus",
    "mlflow.secret=mlflow", "secrets[0]=chat", "settings.CTRAIN_TICK_SECONDS=5", "console=false",
    "persistence.storageClass=nfs", "priorityClassName=high", "image.tag=1.2.3", "image.pullSecrets[0]=own",
    "volumes[0].name=rows", "volumes[0].persistentVolumeClaim.claimName=rows",
    "volumeMounts[0].name=rows", "volumeMounts[0].mountPath=/data",
    "podLabels.team=risk", "podAnnotations.note=x", "nodeSelector.disk=ssd", "tolerations[0].operator=Exists",
    "service.annotations.note=x", "networkPolicy.from[0].namespaceSelector.matchLabels.name=monitoring",
)  # fmt: skip
OWN_KINDS = {"ServiceMonitor", "PrometheusRule"}
"""Of the operator of Prometheus, of which Kubernetes knows nothing."""

Manifest = dict[str, Any]


@cache
def rendered(*values: str) -> tuple[Manifest, ...]:
    sets = [word for value in values for word in ("--set", value)]
    done = ask("helm", "template", "ctrain", CHART, "--namespace", "ml", *sets)
    assert done.returncode == 0, done.stderr
    return tuple(one for one in YAML(typ="safe").load_all(done.stdout) if one)


def refused(*values: str) -> str:
    sets = [word for value in values for word in ("--set", value)]
    done = ask("helm", "template", "ctrain", CHART, *sets)
    assert done.returncode != 0, done.stdout
    return done.stderr


def of_kind(kind: str, manifests: tuple[Manifest, ...]) -> Manifest:
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def pod_of(manifests: tuple[Manifest, ...]) -> Manifest:
    return dict(of_kind("Deployment", manifests)["spec"]["template"]["spec"])


@pytest.mark.parametrize("values", [ENOUGH, EVERYTHING])
def test_helm_lint_has_nothing_to_say(values: tuple[str, ...]) -> None:
    sets = [word for value in values for word in ("--set", value)]
    done = ask("helm", "lint", "--strict", "--quiet", CHART, *sets)
    assert (done.returncode, done.stdout.strip()) == (0, "")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", [ENOUGH, EVERYTHING])
def test_kubernetes_knows_every_field(values: tuple[str, ...], version: str) -> None:
    manifests = [one for one in rendered(*values) if one["kind"] not in OWN_KINDS]
    assert len(manifests) >= 6
    for manifest in manifests:
        validate(manifest, version, strict=True)


def test_everything_that_can_be_switched_on_is_there() -> None:
    kinds = sorted(one["kind"] for one in rendered(*EVERYTHING))
    assert kinds == [
        "ConfigMap", "Deployment", "Ingress", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget",
        "PrometheusRule", "Service", "ServiceAccount", "ServiceMonitor",
    ]  # fmt: skip


def test_a_pod_may_do_no_more_than_it_must() -> None:
    pod = pod_of(rendered(*ENOUGH))
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert of_kind("ServiceAccount", rendered(*ENOUGH))["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "a service called ctrain would set CTRAIN_PORT"
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & {
        one["kind"] for one in rendered(*EVERYTHING)
    }


def test_a_database_that_is_away_restarts_nobody() -> None:
    (container,) = pod_of(rendered(*ENOUGH))["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/alive"
    assert container["startupProbe"]["httpGet"]["path"] == "/-/alive"
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"


def test_daemons_are_replaced_one_by_one() -> None:
    deployment = of_kind("Deployment", rendered(*ENOUGH))["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert of_kind("PodDisruptionBudget", rendered(*ENOUGH))["spec"]["maxUnavailable"] == 1
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] >= 90


def test_selectors_find_the_pods() -> None:
    manifests = rendered(*EVERYTHING)
    labels = of_kind("Deployment", manifests)["spec"]["template"]["metadata"]["labels"].items()
    for kind, path in (
        ("Service", ("selector",)),
        ("PodDisruptionBudget", ("selector", "matchLabels")),
        ("NetworkPolicy", ("podSelector", "matchLabels")),
        ("Deployment", ("selector", "matchLabels")),
    ):
        selector = of_kind(kind, manifests)["spec"]
        for key in path:
            selector = selector[key]
        assert selector.items() <= labels, kind
    service = of_kind("Service", manifests)["metadata"]["labels"].items()
    monitor = of_kind("ServiceMonitor", manifests)["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service
    assert dict(service)[monitor["jobLabel"]] == "ctrain"


def test_rules_and_dashboards_are_those_of_the_repository() -> None:
    manifests = rendered(*EVERYTHING)
    rules = YAML(typ="safe").load(DEPLOY / "prometheus" / "ctrain.rules.yml")
    assert of_kind("PrometheusRule", manifests)["spec"] == rules
    for name, text in of_kind("ConfigMap", manifests)["data"].items():
        assert json.loads(text) == json.loads((DEPLOY.parent / "grafana" / "dashboards" / name).read_text())


def test_policies_are_given_as_they_are_written() -> None:
    text = "version: 1\npolicy: a\n# a, b: 'c'\n"
    value = "policies.a\\.yaml=" + text.replace(",", "\\,")
    manifests = rendered(value, *ENOUGH[1:])
    assert of_kind("ConfigMap", manifests)["data"] == {"a.yaml": text}
    volumes = {one["name"]: one for one in pod_of(manifests)["volumes"]}
    assert volumes["policies"]["configMap"]["name"] == of_kind("ConfigMap", manifests)["metadata"]["name"]


def test_secrets_are_named_and_never_written() -> None:
    (container,) = pod_of(rendered(*EVERYTHING))["containers"]
    assert [one["secretRef"]["name"] for one in container["envFrom"]] == ["ctrain-database", "mlflow", "chat"]
    assert "Secret" not in {one["kind"] for one in rendered(*EVERYTHING)}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((), "name at least one file, or policiesConfigMap"),
        ((*ENOUGH, "policies.a\\.yaml=x"), "policies and policiesConfigMap: name one of them"),
        (ENOUGH[:1], "more than one daemon needs database.secret and mlflow.trackingUri"),
        ((*ENOUGH, "persistence.accessModes={ReadWriteOnce}"), "more than one daemon needs ReadWriteMany"),
        ((*ENOUGH, "replica=3"), "additional properties 'replica' not allowed"),
        ((*ENOUGH, "replicas=many"), "got string, want integer"),
        ((*ENOUGH, "ingress.enabled=true"), "/ingress/host"),
        ((*ENOUGH, "persistence.size=big"), "does not match pattern"),
        ((*ENOUGH[:2], "mlflow.trackingUri=mlflow:5000"), "does not match pattern"),
        (("policies.\\.\\./a=x", *ENOUGH[1:]), "does not match pattern"),
    ],
)
def test_what_cannot_work_is_refused(values: tuple[str, ...], reason: str) -> None:
    assert reason in refused(*values)


def test_one_daemon_needs_nothing_else() -> None:
    alone = ("replicas=1", "policiesConfigMap=clicks", "persistence.accessModes={ReadWriteOnce}")
    (container,) = pod_of(rendered(*alone))["containers"]
    assert "envFrom" not in container
    assert [one["name"] for one in container["env"]] == ["CTRAIN_HOME"]


def test_the_schema_knows_every_value_and_every_value_is_used() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = YAML(typ="safe").load(CHART / "values.yaml")
    assert set(schema["properties"]) - {"global"} == set(values)
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert set(re.findall(r"\.Values\.(\w+)", templates)) == set(values)


def test_the_chart_is_of_this_version() -> None:
    from ctrain import __version__

    chart = YAML(typ="safe").load(CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)

"""The composition, as docker compose reads it: nothing is open to the network, no password is known."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ctrain.cli import app
from tests.support.deploy_tools import DEPLOY, ROOT, ask

COMPOSE = DEPLOY / "compose"
OWN = ("ctrain", "console", "mlflow")


def compose(environment: Path) -> tuple[int, str, str]:
    files = ("--file", COMPOSE / "compose.yaml", "--env-file", environment)
    done = ask("docker-compose", *files, "config", "--format", "json")
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The composition as docker compose understands it."""
    code, text, said = compose(COMPOSE / ".env.example")
    assert (code, said) == (0, "")
    return dict(json.loads(text))


@pytest.fixture(scope="module")
def services(composed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(composed["services"])


def test_it_does_not_start_before_somebody_has_decided(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("")
    code, _, said = compose(tmp_path / "env")
    assert code == 1
    assert {"CTRAIN_VERSION", "CTRAIN_POLICIES", "CTRAIN_ROWS"} <= set(re.findall(r"variable (\w+) is", said))


def test_no_password_is_known_to_anybody(
    composed: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    for secret in composed["secrets"].values():
        assert Path(secret["file"]).parent == COMPOSE / "secrets"
    kept_out = (COMPOSE / "secrets" / ".gitignore").read_text().splitlines()[1:]
    assert kept_out == ["*", "!.gitignore"], "they are each installation's own"
    secretive = re.compile(r"password|token|secret", re.IGNORECASE)
    named = {
        (name, variable): value
        for name, service in services.items()
        for variable, value in (service.get("environment") or {}).items()
        if secretive.search(variable)
    }
    assert named
    assert {key for key, value in named.items() if not value.startswith("/run/secrets/")} == set()
    assert not secretive.search(re.sub(r"#.*", "", (COMPOSE / ".env.example").read_text()))


def test_what_is_published_is_published_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = [
        (name, port["host_ip"]) for name, service in services.items() for port in service.get("ports", [])
    ]
    assert {name for name, _ in published} == {"console", "mlflow", "prometheus", "alertmanager", "grafana"}
    assert {host for _, host in published} == {"127.0.0.1"}


def test_every_service_is_confined(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert re.search(r":v?\d+\.\d+", service["image"]), "an image has a version"
        own_check = name in {"ctrain", "console"}  # the image's
        assert own_check or service["healthcheck"]["test"][0] == "CMD", name


def test_files_that_are_mounted_exist(services: dict[str, dict[str, Any]]) -> None:
    sources = [
        Path(volume["source"])
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind" and volume["source"].startswith(str(ROOT))
    ]
    assert len(sources) >= 5
    assert [path for path in sources if not path.exists()] == []


def test_daemons_and_console_are_called_as_they_can_be(services: dict[str, dict[str, Any]]) -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group has commands
    for name, command in (("ctrain", "run"), ("console", "serve")):
        first, *rest = services[name]["command"]
        assert first == command
        options = {option for one in commands[first].params for option in [*one.opts, *one.secondary_opts]}
        assert {word for word in rest if word.startswith("--")} <= options
    assert services["ctrain"]["deploy"]["replicas"] == 2
    assert len({services[name]["image"] for name in OWN}) == 1, "one image, one version of MLflow"


def test_prometheus_finds_every_daemon_and_the_rules(services: dict[str, dict[str, Any]]) -> None:
    text = (COMPOSE / "prometheus.yml").read_text()
    assert "names: [ctrain], type: A, port: 9464" in text
    targets = {volume["target"] for volume in services["prometheus"]["volumes"]}
    assert "/etc/prometheus/ctrain.rules.yml" in targets


@pytest.mark.service("promtool")
def test_prometheus_understands_its_configuration(tmp_path: Path) -> None:
    """In the folder that the container has: the rules are beside it."""
    for path in (COMPOSE / "prometheus.yml", DEPLOY / "prometheus" / "ctrain.rules.yml"):
        (tmp_path / path.name).write_text(path.read_text())
    command = ["promtool", "check", "config", "--lint=all", "--lint-fatal", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_database_has_its_secret(composed: dict[str, Any]) -> None:
    (names,) = re.findall(r"for name in (.+); do", (COMPOSE / "create-databases.sh").read_text())
    assert {f"{name}_db_password" for name in names.split()} <= set(composed["secrets"])

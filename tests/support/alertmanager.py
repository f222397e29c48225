"""A real Alertmanager on loopback with the shipped configuration, in a hurry, with receivers of ours."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.dashboards import ROOT
from tests.support.ports import free_port
from tests.support.programs import running_program

SHIPPED = ROOT / "deploy" / "prometheus" / "alertmanager.yml"
AT_ONCE = {"group_wait": "100ms", "group_interval": "1s"}


@dataclass(frozen=True)
class Alertmanager:
    address: str

    def alerts(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://{self.address}/api/v2/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def raise_alerts(self, *labels: dict[str, str]) -> None:
        """What Prometheus does when alerts fire."""
        body = json.dumps([{"labels": one} for one in labels]).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self.address}/api/v2/alerts", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def hurried(receivers_at: str) -> str:
    """The shipped configuration with short waits, whose webhooks go to ``receivers_at``."""
    yaml = YAML(typ="safe")
    config = yaml.load(SHIPPED)
    for route in (config["route"], *config["route"]["routes"]):
        route.update(AT_ONCE)
    for one in config["receivers"]:
        for hook in one["webhook_configs"]:
            hook["url"] = f"{receivers_at}/{one['name']}"
    text = StringIO()
    yaml.dump(config, text)
    return text.getvalue()


@contextmanager
def running_alertmanager(folder: Path, receivers_at: str) -> Iterator[Alertmanager]:
    """Debian's Alertmanager, alone, stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(hurried(receivers_at))
    server = Alertmanager(f"127.0.0.1:{free_port()}")
    arguments = [
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={server.address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with running_program(arguments, folder / "alertmanager.log", server.ready):
        yield server

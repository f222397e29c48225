"""A real Prometheus on loopback that scrapes one address, and questions to its HTTP API."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.waiting import wait_until

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: ctrain
    static_configs: [{{targets: ["{target}"]}}]
"""


@dataclass(frozen=True)
class Prometheus:
    address: str

    def get(self, path: str, **params: str) -> Any:
        """The ``data`` of an API answer; AssertionError with Prometheus's own words on an error."""
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{params}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series that an instant query finds."""
        found: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return found

    def label_values(self, selector: str, label: str) -> list[str]:
        return sorted(
            {series["metric"][label] for series in self.query(selector) if label in series["metric"]}
        )

    def scrapes(self) -> int:
        """How many scrapes of the target succeeded in the last minutes."""
        found = self.query('sum(sum_over_time(up{job="ctrain"}[10m]))')
        return int(float(found[0]["value"][1])) if found else 0

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def running_prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Debian's Prometheus scraping ``target`` five times a second, stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(CONFIG.format(target=target))
    server = Prometheus(f"127.0.0.1:{free_port()}")
    arguments = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={server.address}",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(server.ready, 30, "Prometheus is ready")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)

"""A real Prometheus on loopback that scrapes what it is told to, and questions to its HTTP API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.programs import running_program

CONFIG = """
global: {{scrape_interval: 300ms, scrape_timeout: 300ms, evaluation_interval: 500ms}}
scrape_configs:
  - job_name: ctrain
    static_configs: [{{targets: {targets}}}]
rule_files: {rules}
alerting: {{alertmanagers: [{{static_configs: [{{targets: {alertmanagers}}}]}}]}}
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

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Series that an instant query finds, now or ``at`` a moment of the past."""
        moment = {} if at is None else {"time": str(at)}
        found: list[dict[str, Any]] = self.get("/api/v1/query", query=expression, **moment)["result"]
        return found

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Series that a question about a span of time finds, with their ``values``."""
        found: list[dict[str, Any]] = self.get(
            "/api/v1/query_range", query=expression, start=str(start), end=str(end), step=str(step)
        )["result"]
        return found

    def label_values(self, selector: str, label: str, at: float) -> list[str]:
        found = self.query(selector, at)
        return sorted({series["metric"][label] for series in found if label in series["metric"]})

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
def running_prometheus(
    folder: Path,
    *targets: str,
    rules: Sequence[Path] = (),
    alertmanagers: Sequence[str] = (),
    lookback: str = "5m",
) -> Iterator[Prometheus]:
    """Debian's Prometheus scraping ``targets`` three times a second, stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = {"targets": targets, "rules": [str(one) for one in rules], "alertmanagers": alertmanagers}
    config = CONFIG.format(**{name: json.dumps(one) for name, one in lists.items()})
    (folder / "prometheus.yml").write_text(config)
    server = Prometheus(f"127.0.0.1:{free_port()}")
    arguments = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={server.address}",
        f"--query.lookback-delta={lookback}",
        "--log.level=warn",
    ]
    with running_program(arguments, folder / "prometheus.log", server.ready):
        yield server

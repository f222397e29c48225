"""The files of the dashboards, and what belongs into them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.grafana.fleet import fleet
from tests.support.grafana.one_policy import one_policy
from tests.support.grafana.one_run import one_run

FOLDER = Path(__file__).parents[3] / "grafana" / "dashboards"


def files() -> dict[Path, str]:
    """What each file must hold."""
    made = (fleet(), one_policy(), one_run())
    return {FOLDER / f"{one.uid}.json": json.dumps(one.to_json(), indent=2) + "\n" for one in made}


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        path.write_text(text)

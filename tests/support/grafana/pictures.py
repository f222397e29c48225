"""``python -m tests.support.grafana.pictures FOLDER`` draws every dashboard with the week of a real daemon.

Takes minutes: the week is lived through. It is kept in ``FOLDER/week.json``, and lived through once.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.dashboards import DASHBOARDS
from tests.support.grafana.drawn import Asked, draw
from tests.support.grafana.story import STEP, live_through, told_to_prometheus


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "week.json"
    with TemporaryDirectory() as scratch:
        if not kept.exists():
            kept.write_text(json.dumps(live_through(Path(scratch) / "clicks")))
        shown = json.loads(kept.read_text())
        end = datetime.now(UTC).timestamp()  # noqa: TID251 - Prometheus keeps nothing of the far past
        span = len(shown) * STEP
        with told_to_prometheus(Path(scratch) / "prometheus", shown, end) as prometheus:
            for path in DASHBOARDS:
                policy = ".+" if path.stem == "ctrain-fleet" else "clicks"
                chosen = {
                    "$__rate_interval": "80s",
                    "$__range": f"{span:.0f}s",
                    "$job": "ctrain",
                    "$policy": policy,
                    "$phase": ".+",
                }
                asked = Asked(prometheus, chosen, end - span, end, STEP)
                empty = draw(path, asked, folder / f"{path.stem}.png")
                print(f"{path.stem}: {', '.join(empty) or 'nothing'} is empty")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

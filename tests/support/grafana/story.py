"""A week of three policies in a real Prometheus: what a real daemon showed, hour by hour, as if it ended now.

One daemon lives through the week on stream time; its metrics are kept after each hour. The other two policies
of the fleet are the same week, some hours behind. An hour of the stream is ``STEP`` of Prometheus's time.
Nobody is told of anything on stream time: the panel of notices stays empty.
"""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.live import open_live
from tests.support.prometheus import Prometheus, running_prometheus

STEP = 20.0
FLEET = {"clicks": 0, "credit-score": 45, "demand": 80}
"""Policies, and by how many hours each is behind."""
DAEMONS = {"10.0.0.11:9464": 0, "10.0.0.12:9464": 5}
"""Daemons, and for how many hours each has not answered."""
ALERTS = (
    'alertname="CtrainRollback",alertstate="firing",severity="info",policy="demand",cause="person"',
    'alertname="CtrainDown",alertstate="firing",severity="page",job="ctrain",instance="10.0.0.12:9464"',
)
TICKED = "ctrain_tick_last_success_timestamp_seconds"


def live_through(folder: Path) -> list[str]:
    """The metrics of a real daemon after each hour: a first champion, a promotion, a rollback, a shadow."""
    shown: list[str] = []
    live = open_live(folder)

    def land(hours: int) -> None:
        for _ in range(hours):
            live.land(1, step=1)
            with urllib.request.urlopen(f"http://{live.listen}/metrics", timeout=30) as answer:
                shown.append(answer.read().decode())

    with live.daemon():
        land(36)
        live.ask("trigger", "clicks", "--reason", "first model")
        land(54)
        live.ask("rollback", "clicks", "--reason", "shown in a picture")
        land(36)
        live.slope = -1.0
        land(24)
        live.slope = 2.0
        land(18)
    return shown


@contextmanager
def told_to_prometheus(folder: Path, shown: Sequence[str], end: float) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the week, the last sample at ``end``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "week.om"
    text.write_text(open_metrics(shown, end))
    words = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(words, check=True, capture_output=True)
    with running_prometheus(folder, lookback=f"{1.5 * STEP:.0f}s") as prometheus:
        yield prometheus


def open_metrics(shown: Sequence[str], end: float) -> str:
    """The week as a file that ``promtool`` makes blocks of."""
    families: dict[str, list[str]] = defaultdict(list)
    for hour in range(len(shown)):
        at = end - (len(shown) - 1 - hour) * STEP
        for policy, behind in FLEET.items():
            for family, name, labels, value in _samples(shown[max(hour - behind, 0)]):
                if 'policy="clicks"' not in labels and policy != "clicks":
                    continue
                where = labels.replace('policy="clicks"', f'policy="{policy}"')
                known = f"{at - 3:.3f}" if name == TICKED else value
                families[family].append(
                    f'{name}{{job="ctrain",instance="10.0.0.11:9464"{where}}} {known} {at:.3f}'
                )
        left = len(shown) - hour
        for instance, silent in DAEMONS.items():
            families["up"].append(f'up{{job="ctrain",instance="{instance}"}} {int(left > silent)} {at:.3f}')
        families["ALERTS"] += [f"ALERTS{{{one}}} 1 {at:.3f}" for one in ALERTS if left <= 5]
    lines = [line for samples in families.values() for line in samples]
    return "\n".join([*lines, "# EOF", ""])


def _samples(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Family, name, labels (with a comma before them) and value of each line of an exposition."""
    family = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split(" ")[2]
        elif not line.startswith("#"):
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            assert match, line
            labels = f",{match[2]}" if match[2] else ""
            yield family, match[1], labels, match[3]

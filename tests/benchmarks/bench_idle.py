"""Resident memory of the daemon with one policy, after it has trained a champion and judged three days."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.measuring import markdown
from tests.support.live import open_live

MEGABYTE = 1 << 20


def table(folder: Path) -> str:
    """A row for the daemon as it works, and one for it started anew on the same home."""
    live = open_live(folder)
    rows = []
    with live.daemon() as daemon:
        live.land(48)
        live.ask("trigger", "clicks", "--reason", "first model")
        live.land(72)
        rows.append(("after training and 120 panes", *_megabytes(daemon.pid)))
    with live.daemon() as daemon:
        live.land(1)
        rows.append(("started anew", *_megabytes(daemon.pid)))
    return markdown(("daemon with one policy", "resident MB", "children MB"), rows)


def _megabytes(pid: int) -> tuple[str, str]:
    """Of the process itself, and of its children (the registry's, which holds mlflow)."""
    process = psutil.Process(pid)
    own = process.memory_info().rss / MEGABYTE
    children = sum(child.memory_info().rss for child in process.children(recursive=True)) / MEGABYTE
    return f"{own:.0f}", f"{children:.0f}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(table(Path(folder) / "clicks"))

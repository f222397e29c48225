"""What a backtest takes beside its trainings: a policy of three monitors over hours of rows.

Run as ``python tests/benchmarks/bench_backtest.py``. The policy alone is played, with real children.
What is left when the trainings are taken off is the overhead: the start of the children, steps of the
clock, and judging panes. The goal is an overhead of at most 15 % of the trainings and 20 s a million
rows; other work on the machine counts as overhead here, so the CPU seconds of the parent and of its
children stand beside it.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.app.backtesting import run_backtest
from ctrain.backtest.perform import Choices
from tests.benchmarks.measuring import markdown
from tests.support.backtests import POLICY, make_rows, write_history

SHAPES = ((200_000, 500), (200_000, 5_000), (1_000_000, 500), (1_000_000, 2_000))
"""Rows and panes."""
OF_TRAININGS = 0.15
SECONDS_A_MILLION = 20.0
MONITOR = "  hours: {type: drift, columns: [t], window: 24h, min_rows: 100, min_effect: 0.9}\n"
CODE = """
from sklearn.ensemble import HistGradientBoostingClassifier

def train(rows, context):
    names = [name for name in context.feature_names if name != "kind"]
    return Numbers().fit(rows[names], rows[context.label])

class Numbers(HistGradientBoostingClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X[list(self.feature_names_in_)])
"""


def bench_backtest(folder: Path, number: int, hours: int) -> list[str]:
    """A line of the table."""
    rows = make_rows(hours, hours // 2, per_hour=number // hours)
    loaded = write_history(folder, rows, POLICY.replace("triggers:\n", f"{MONITOR}triggers:\n"))
    (folder / "clicks.py").write_text(CODE)
    started, parent, children = time.perf_counter(), time.process_time(), of_children()
    found = run_backtest(loaded.path, Choices(baselines=()), os.environ)
    whole, parent = time.perf_counter() - started, time.process_time() - parent
    children = of_children() - children
    trainings = found.first_train_seconds + found.policy.train_seconds
    overhead = whole - trainings
    beyond = 1e6 * (overhead - OF_TRAININGS * trainings) / rows.num_rows
    return [
        f"{rows.num_rows:,}",
        f"{hours:,}",
        f"{1 + found.policy.retrains}",
        f"{trainings:.1f}",
        f"{whole:.1f}",
        f"{parent:.1f}",
        f"{children:.1f}",
        f"{1e3 * overhead / hours:.1f}",
        f"{beyond:.0f}",
        "yes" if beyond <= SECONDS_A_MILLION else "no",
    ]


def of_children() -> float:
    """CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    headings = [
        "rows", "panes", "trainings", "of them s", "all s", "parent's CPU s",
        "children's CPU s", "overhead ms a pane",
        f"less {OF_TRAININGS:.0%} of trainings, s a million rows", f"goal of {SECONDS_A_MILLION:g} holds",
    ]  # fmt: skip
    lines = []
    for number, hours in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(bench_backtest(Path(folder), number, hours))
    print(markdown(headings, lines))


if __name__ == "__main__":
    main()

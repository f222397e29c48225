"""What a backtest takes beside its trainings: a policy of three monitors over hours of rows.

Run as ``python tests/benchmarks/bench_backtest.py``. The rows are the same in all lines, spread over
more panes or fewer; the policy alone is played, with real children. What is left when the trainings
are taken off is the overhead: the start of the children, steps of the clock, and judging panes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.app.backtesting import run_backtest
from ctrain.backtest.perform import Choices
from tests.benchmarks.measuring import markdown
from tests.support.backtests import POLICY, make_rows, write_history

ROWS = 200_000
HOURS = (500, 5_000)
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


def bench_backtest(folder: Path, hours: int) -> list[str]:
    """A line of the table."""
    rows = make_rows(hours, hours // 2, per_hour=ROWS // hours)
    loaded = write_history(folder, rows, POLICY.replace("triggers:\n", f"{MONITOR}triggers:\n"))
    (folder / "clicks.py").write_text(CODE)
    started, parent = time.perf_counter(), time.process_time()
    found = run_backtest(loaded.path, Choices(baselines=()), os.environ)
    whole, parent = time.perf_counter() - started, time.process_time() - parent
    trainings = found.first_train_seconds + found.policy.train_seconds
    overhead = whole - trainings
    return [
        f"{rows.num_rows:,}",
        f"{hours:,}",
        f"{1 + found.policy.retrains}",
        f"{trainings:.1f}",
        f"{whole:.1f}",
        f"{parent:.1f}",
        f"{1e3 * overhead / hours:.1f}",
        f"{1e6 * overhead / rows.num_rows:.0f}",
    ]


def main() -> None:
    headings = [
        "rows", "panes", "trainings", "of them s", "all s", "parent's CPU s",
        "overhead ms a pane", "overhead s a million rows",
    ]  # fmt: skip
    lines = []
    for hours in HOURS:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(bench_backtest(Path(folder), hours))
    print(markdown(headings, lines))


if __name__ == "__main__":
    main()

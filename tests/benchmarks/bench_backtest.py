"""What a backtest takes beside its trainings.

Run as ``python tests/benchmarks/bench_backtest.py``: the policy alone, three monitors over hours of rows
with trainings that take next to nothing, played with real children. With ``--parquet FILE --label COLUMN
[--event-time COLUMN] [--drop COLUMN]``: what ``ctrain init`` drafts for that file, beside all that
``ctrain backtest`` compares it with.

What is left when the trainings are taken off is the overhead: the start of the children, steps of the
clock, judging panes, scoring. The goal is an overhead of at most 15 % of the trainings and 20 s a million
rows; other work on the machine counts as overhead here, so the CPU seconds of the parent and of its
children stand beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.app.backtesting import run_backtest
from ctrain.app.drafting import Wish, draft_policy, write_draft
from ctrain.backtest.perform import Choices
from ctrain.policy.files import load_policy
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


def bench_policy(folder: Path, number: int, hours: int) -> list[str]:
    """A line of the table: the policy alone."""
    rows = make_rows(hours, hours // 2, per_hour=number // hours)
    loaded = write_history(folder, rows, POLICY.replace("triggers:\n", f"{MONITOR}triggers:\n"))
    (folder / "clicks.py").write_text(CODE)
    return measured(loaded.path, Choices(baselines=()), rows.num_rows, f"{hours:,}")


def bench_drafted(folder: Path, asked: argparse.Namespace) -> list[str]:
    """A line of the table: the drafted policy and all that it is compared with."""
    wish = Wish(
        "drafted",
        asked.parquet,
        asked.label,
        asked.event_time,
        drop=tuple(asked.drop),
        out=folder / "drafted",
    )
    draft = draft_policy(wish)
    write_draft(draft)
    pane = load_policy(draft.policy, os.environ).policy.data.pane
    return measured(draft.policy, Choices(), pq.read_metadata(asked.parquet).num_rows, f"of {pane}")


def measured(policy: Path, choices: Choices, rows: int, panes: str) -> list[str]:
    """Play the policy, and take times."""
    parent, children = time.process_time(), of_children()
    took = run_backtest(policy, choices, os.environ).took
    parent, children = time.process_time() - parent, of_children() - children
    assert took is not None
    overhead = took.seconds - took.train_seconds
    allowed = OF_TRAININGS * took.train_seconds + SECONDS_A_MILLION * rows / 1e6
    return [
        f"{rows:,}",
        panes,
        f"{1 + len(choices.baselines) + (choices.phases - 1) * ('periodic' in choices.baselines)}",
        f"{took.train_seconds:.1f}",
        f"{took.seconds:.1f}",
        f"{parent:.1f}",
        f"{children:.1f}",
        f"{overhead:.1f}",
        f"{allowed:.1f}",
        "yes" if overhead <= allowed else "no",
    ]


def of_children() -> float:
    """CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parquet", type=Path, help="draft a policy for the rows of this file")
    parser.add_argument("--label", default="target")
    parser.add_argument("--event-time")
    parser.add_argument("--drop", action="append", default=[])
    asked = parser.parse_args()
    headings = [
        "rows", "panes", "strategies", "trainings s", "all s", "parent's CPU s", "children's CPU s",
        "overhead s", f"{OF_TRAININGS:.0%} of trainings and {SECONDS_A_MILLION:g} s a million rows", "holds",
    ]  # fmt: skip
    lines = []
    for number, hours in SHAPES if asked.parquet is None else ():
        with tempfile.TemporaryDirectory() as folder:
            lines.append(bench_policy(Path(folder), number, hours))
    if asked.parquet is not None:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(bench_drafted(Path(folder), asked))
    print(markdown(headings, lines))


if __name__ == "__main__":
    main()

"""The default policy over the streams of a catalogue: ``make bench-streams DATA=DIR``.

What ``ctrain init`` drafts for each stream is replayed with one fixed trainer. Beside it on the same
rows, with the same label delay, gates and trainer: never, periodic (as many runs, averaged over its
phases), always, and the policy without its shadow. The defaults were chosen by looking at the streams of
``CHOSEN_ON`` alone; the others are the report. Each core plays one stream at a time; trainings have one
thread. Writes a document for each stream, a table (Markdown) and a plot to ``build/bench/streams``;
``--only NAME`` plays some streams again, ``--table`` none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from tests.benchmarks.measuring import RESULTS, ROOT, markdown
from tests.benchmarks.stream_files import CHOSEN_ON, SYNTHETIC, draft, names_in

FOLDER = RESULTS / "streams"
STRATEGIES = ("never", "periodic", "always", "unshadowed")
TIE = 0.005
"""Of the other strategy's metric."""
MOST_RETRAINS = 0.25
"""Of always's."""


@dataclass(frozen=True)
class Played:
    """A stream and what the strategies reached on it; metrics are losses."""

    name: str
    rows: int
    document: dict[str, Any]

    def metric(self, strategy: str) -> float:
        return float(self._of(strategy)["metric"])

    def retrains(self, strategy: str) -> int:
        return int(self._of(strategy)["retrains"])

    def seconds(self, strategy: str) -> float:
        return float(self._of(strategy)["train_seconds"])

    def _of(self, strategy: str) -> dict[str, Any]:
        found: dict[str, Any] = (self.document if strategy == "policy" else self.document["baselines"])[
            strategy
        ]
        return found

    @property
    def ties_periodic(self) -> bool:
        """Better than periodic, or no worse than a tie."""
        return self.metric("policy") <= self.metric("periodic") * (1 + TIE)

    @property
    def ties_never(self) -> bool:
        return self.metric("policy") <= self.metric("never") * (1 + TIE)

    @property
    def has_gap(self) -> bool:
        """Always retraining pays by more than a tie."""
        return self.metric("always") < self.metric("never") * (1 - TIE)

    @property
    def recovered(self) -> float:
        """Share of what always gains over never; where it gains nothing 1 for a tie with never, else 0."""
        if not self.has_gap:
            return float(self.ties_never)
        never = self.metric("never")
        return (never - self.metric("policy")) / (never - self.metric("always"))

    @property
    def is_cheap(self) -> bool:
        return self.retrains("policy") <= MOST_RETRAINS * self.retrains("always")


def play(catalogue: Path, name: str) -> None:
    """Draft the policy of a stream, replay it, and write what was found."""
    from ctrain.app.backtesting import run_backtest
    from ctrain.backtest.perform import Choices

    with tempfile.TemporaryDirectory() as folder:
        drafted = draft(catalogue, name, Path(folder) / "drafted")
        started, cpu = time.perf_counter(), time.process_time()
        found = run_backtest(drafted.policy, Choices(baselines=STRATEGIES), os.environ).to_json()
    found["rows"] = drafted.rows
    found["wall_seconds"] = time.perf_counter() - started
    found["own_cpu_seconds"] = time.process_time() - cpu
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(found))


def play_all(catalogue: Path, names: list[str]) -> list[str]:
    """Play streams in processes, one on each core; return what went wrong."""
    cores: Queue[int] = Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def one(name: str) -> str | None:
        core = cores.get()
        try:
            command = [sys.executable, "-m", "tests.benchmarks.bench_streams", str(catalogue)]
            command += ["--play", name, "--core", str(core)]
            ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        finally:
            cores.put(core)
        print(f"{name}: {'done' if ended.returncode == 0 else 'failed'}", file=sys.stderr, flush=True)
        return f"{name}: {ended.stderr[-2000:]}" if ended.returncode else None

    with ThreadPoolExecutor(cores.qsize()) as pool:
        return [problem for problem in pool.map(one, names) if problem]


def largest_first(catalogue: Path, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: -(catalogue / f"{name}.parquet").stat().st_size)


def report(found: list[Played]) -> str:
    """Tables of both halves, and how many streams meet each target."""
    halves = {
        "the defaults were chosen on": [one for one in found if one.name in CHOSEN_ON],
        "report": [one for one in found if one.name not in CHOSEN_ON],
    }
    parts = []
    for title, streams in halves.items():
        parts += [f"### Streams: {title}", table(streams), targets(streams)]
    return "\n\n".join([*parts, "### All streams", targets(found)])


def table(streams: list[Played]) -> str:
    headings = (
        "stream", "rows", "metric", "never", "policy", "periodic (phases)", "always", "unshadowed",
        "gap recovered", "retrains: policy, periodic, always", "training s: policy, periodic, always",
    )  # fmt: skip
    return markdown(headings, [line(one) for one in streams])


def line(one: Played) -> list[str]:
    phases = one.document["baselines"]["periodic"]["phases"]
    spread = f" ({min(phases):.4g} to {max(phases):.4g})" if phases else ""
    compared = ("policy", "periodic", "always")
    return [
        one.name + (" (synthetic)" if one.name in SYNTHETIC else ""),
        f"{one.rows:,}",
        str(one.document["metric"]),
        f"{one.metric('never'):.4g}",
        f"{one.metric('policy'):.4g}",
        f"{one.metric('periodic'):.4g}{spread}",
        f"{one.metric('always'):.4g}",
        f"{one.metric('unshadowed'):.4g}",
        f"{one.recovered:.0%}" if one.has_gap else "no gap",
        ", ".join(str(one.retrains(name)) for name in compared),
        ", ".join(f"{one.seconds(name):.0f}" for name in compared),
    ]


def targets(streams: list[Played]) -> str:
    """One line for each target, over the real streams."""
    real = [one for one in streams if one.name not in SYNTHETIC]

    cheap = [one.recovered if one.is_cheap else 0.0 for one in real]
    met = {
        "at least a tie with periodic at the same number of runs (goal: 3/4)": [
            one.ties_periodic for one in real
        ],
        "80 % of the gap recovered with at most a quarter of always's runs (goal: 3/4)": [
            share >= 0.8 for share in cheap
        ],
        "90 % of it (goal: 1/2)": [share >= 0.9 for share in cheap],
        "not worse than never (goal: all)": [one.ties_never for one in real],
    }
    return "\n".join(f"- {goal}: {sum(each)} of {len(each)}" for goal, each in met.items())


def plot(found: list[Played]) -> None:
    """Loss and retrains of each strategy by stream, as shares of never's loss and of always's retrains."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shapes = {
        "policy": ("#0072B2", "o"),
        "periodic": ("#D55E00", "s"),
        "always": ("#009E73", "^"),
        "unshadowed": ("#999999", "x"),
    }
    found = sorted(found, key=lambda one: one.metric("always") / one.metric("never"), reverse=True)
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 0.45 * len(found) + 1.6), sharey=True, width_ratios=(2, 1), layout="constrained"
    )
    for line, (name, (colour, marker)) in enumerate(shapes.items()):
        places = [place + 0.15 * (line - 1.5) for place in range(len(found))]
        losses = [one.metric(name) / one.metric("never") for one in found]
        retrains = [one.retrains(name) / one.retrains("always") for one in found]
        for axes, values in ((left, losses), (right, retrains)):
            axes.scatter(values, places, color=colour, marker=marker, label=name, zorder=2)
    left.axvline(1, color="black", linestyle="--", linewidth=1)
    right.axvline(MOST_RETRAINS, color="black", linestyle="--", linewidth=1)
    chosen = [f"{one.name} *" if one.name in CHOSEN_ON else one.name for one in found]
    left.set_yticks(range(len(found)), chosen)
    left.set_xlabel("loss, as a share of never retraining")
    right.set_xlabel("retrains, as a share of always")
    for axes in (left, right):
        axes.grid(axis="y", color="#eeeeee")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("* the defaults were chosen on these", fontsize=9, ha="left", x=0.02)
    figure.savefig(FOLDER / "streams.png", dpi=90)


def load(names: list[str]) -> list[Played]:
    documents = {name: FOLDER / f"{name}.json" for name in names}
    read = {name: json.loads(path.read_text()) for name, path in documents.items() if path.exists()}
    return [Played(name, document["rows"], document) for name, document in read.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", type=Path, help="folder of Parquet files with t and target")
    parser.add_argument("--only", action="append", default=[], help="play these alone; others as they were")
    parser.add_argument("--table", action="store_true", help="play nothing; write the table of what is there")
    parser.add_argument("--play", help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.play:
        os.sched_setaffinity(0, {asked.core})
        play(asked.catalogue, asked.play)
        return 0
    catalogue = asked.catalogue.absolute()
    names = names_in(catalogue)
    if not names:
        parser.error(f"{asked.catalogue}: there is no Parquet file")
    unknown = [name for name in asked.only if name not in names]
    if unknown:
        parser.error(f"--only {unknown[0]}: expected some of {', '.join(names)}")
    wanted = [] if asked.table else asked.only or names
    problems = play_all(catalogue, largest_first(catalogue, wanted))
    found = load(names)
    if not found:
        parser.error("\n".join([f"{FOLDER}: no stream has been played yet", *problems]))
    text = report(found)
    plot(found)
    (FOLDER / "streams.md").write_text(text + "\n")
    print(text, *problems, f"written: {FOLDER}", sep="\n\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

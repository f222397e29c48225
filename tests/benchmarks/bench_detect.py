"""Speed and memory of the detection engine beside its peers, in one run: ``make bench-detect``.

Writes a table (Markdown) and a plot to ``build/bench``. CPU is that of all threads and children, each
contender in a process of its own, the least of its repetitions; of ours the start of the interpreter
with the program's imports is taken off, of the peers only the work itself is counted.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import streams
from tests.benchmarks.measuring import RESULTS, least, markdown, python, run

REFERENCE_ROWS, CURRENT_ROWS, COLUMNS = 100_000, 1_000_000, 50
SMALL_ROWS = {"evidently": 100_000, "whylogs": 200_000}
"""Peers that take minutes for the whole table see its first rows; their time is scaled by rows."""
PROFILED_ROWS = 2_000_000
WIDE_ROWS, WIDE_COLUMNS = 1_000_000, 400
REPETITIONS = 5
"""Of what is timed on one core and on all, in turn: a shared machine is not always equally fast."""
BREACHED = 3
IMPORTS = """
import ctrain.cli, ctrain.app.comparing, ctrain.monitors.compare, pyarrow.parquet, pydantic, rich.console
"""
PEERS_SCRIPT = str(Path(__file__).with_name("detect_peers.py"))


@dataclass(frozen=True)
class Line:
    name: str
    cpu_seconds: float
    peak_megabytes: float
    note: str = ""


def written(folder: Path, rows: int, seed: int, columns: int = COLUMNS) -> Path:
    """A table, made in a process of its own: what this one has held counts as the peak of its children."""
    run(python("-m", "tests.benchmarks.streams", str(folder), str(rows), str(columns), str(seed)))
    return streams.path_of(folder, rows, columns, seed)


def ctrain(*arguments: str) -> list[str]:
    return python("-m", "ctrain", *arguments)


def peer(name: str, reference: Path, current: Path, rows: int) -> Line:
    """A peer's CPU for the whole table, scaled where it saw a part of it."""
    cost = least(python(PEERS_SCRIPT, name, str(reference), str(current), str(rows)), 2)
    seconds = json.loads(cost.output.splitlines()[-1])["cpu_seconds"]
    note = "" if rows == CURRENT_ROWS else f"measured on {rows:,} rows: {seconds:.1f} s"
    return Line(name, seconds * CURRENT_ROWS / rows, cost.peak_megabytes, note)


def drift(folder: Path) -> list[Line]:
    """1M rows x 50 columns against the profile of 100k."""
    reference = written(folder, REFERENCE_ROWS, 1)
    current = written(folder, CURRENT_ROWS, 2)
    profile = folder / "reference.profile"
    run(ctrain("profile", str(reference), "-o", str(profile)))
    start = least(python("-c", IMPORTS), 5)
    cost = least(ctrain("compare", str(profile), str(current)), 5, allowed=(0, BREACHED))
    wall = cost.wall_seconds - start.wall_seconds
    note = f"{wall:.2f} s of real time; with the start {cost.cpu_seconds:.2f} s of CPU"
    lines = [Line("ctrain compare", cost.cpu_seconds - start.cpu_seconds, cost.peak_megabytes, note)]
    lines.append(peer("decode", reference, current, CURRENT_ROWS))
    lines += [
        peer(name, reference, current, SMALL_ROWS.get(name, CURRENT_ROWS))
        for name in ("scipy", "evidently", "whylogs")
    ]
    return lines


def profiling(folder: Path) -> list[Line]:
    """100M values from one Parquet file: its own profile, and compared with that of the reference."""
    path = written(folder, PROFILED_ROWS, 3)
    commands = {
        "profile": ctrain("profile", str(path), "-o", str(folder / "large.profile")),
        "compare": ctrain("compare", str(folder / "reference.profile"), str(path)),
    }
    lines = []
    for name, command in commands.items():
        for cores, title in (([0], "one core"), (None, "all cores")):
            costs = [run(command, allowed=(0, BREACHED), cores=cores) for _ in range(3)]
            cost = min(costs, key=lambda one: one.wall_seconds)
            peak = run(command, allowed=(0, BREACHED), cores=cores, together=True).peak_megabytes
            note = f"{cost.wall_seconds:.2f} s of real time"
            lines.append(Line(f"ctrain {name}, {title}", cost.cpu_seconds, peak, note))
    return lines


def wide(folder: Path) -> list[tuple[str, ...]]:
    """Real time on one core and on all, and how much faster that is, without and with the program's start."""
    path, profile = written(folder, WIDE_ROWS, 4, WIDE_COLUMNS), folder / "wide.profile"
    commands = {
        "profile": ctrain("profile", str(path), "-o", str(profile)),
        "compare": ctrain("compare", str(profile), str(path)),
    }
    start = min(run(python("-c", IMPORTS)).wall_seconds for _ in range(REPETITIONS))
    rows: list[tuple[str, ...]] = []
    for name, command in commands.items():
        costs = [
            (run(command, cores=[0]).wall_seconds, run(command).wall_seconds) for _ in range(REPETITIONS)
        ]
        one, both = (min(found) for found in zip(*costs, strict=True))
        cells = (f"{one:.2f}", f"{both:.2f}", f"{one / both:.2f}", f"{(one - start) / (both - start):.2f}")
        rows.append((f"ctrain {name}", *cells))
    return rows


def report(folder: Path) -> str:
    lines = drift(folder)
    ours = lines[0].cpu_seconds
    rows = [
        (
            one.name,
            f"{one.cpu_seconds:.2f}",
            f"{one.cpu_seconds / (CURRENT_ROWS * COLUMNS) * 1e9:.1f}",
            f"{one.cpu_seconds / ours:.2f}",
            f"{one.peak_megabytes:.0f}",
            one.note,
        )
        for one in lines
    ]
    decode = next(one.cpu_seconds for one in lines if one.name == "decode")
    parts = [
        f"## Drift of {CURRENT_ROWS:,} rows x {COLUMNS} columns against the profile of {REFERENCE_ROWS:,}",
        f"Parquet, snappy, float64 without dictionary; {', '.join(streams.SHAPES)} in turn.",
        markdown(("", "CPU s", "ns a value", "of ours", "peak MB", ""), rows),
        f"Ours is {ours / decode:.2f} times the CPU of decoding the same columns.",
        f"## {PROFILED_ROWS * COLUMNS:,} values as a stream, starts included",
        markdown(
            ("", "CPU s", "peak MB", ""),
            [
                (one.name, f"{one.cpu_seconds:.1f}", f"{one.peak_megabytes:.0f}", one.note)
                for one in profiling(folder)
            ],
        ),
        f"## {WIDE_ROWS:,} rows x {WIDE_COLUMNS} columns on one core and on all of {os.cpu_count()}",
        markdown(("", "one s", "all s", "times faster", "start taken off"), wide(folder)),
        *sections(),
    ]
    plot(lines, RESULTS / "detect.png")
    return "\n\n".join(parts) + "\n"


SECTIONS = {
    "bench_windows.py": "A check on a window of 720 panes beside one of 24, once profiled",
    "bench_detectors.py": "Change detectors beside river",
    "bench_idle.py": "The idle daemon",
}


def sections() -> list[str]:
    """What other benchmarks print of the same engine."""
    scripts = {name: run(python(str(Path(__file__).with_name(name)))).output for name in SECTIONS}
    return [f"## {SECTIONS[name]}\n\n```\n{text.rstrip()}\n```" for name, text in scripts.items()]


def plot(lines: list[Line], path: Path) -> None:
    """Bars of CPU time on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.6), layout="constrained")
    names = [one.name for one in lines][::-1]
    seconds = [one.cpu_seconds for one in lines][::-1]
    colours = ["#0072B2" if name.startswith("ctrain") else "#999999" for name in names]
    bars = axes.barh(names, seconds, color=colours)
    axes.bar_label(bars, [f" {value:,.{0 if value >= 10 else 2}f} s" for value in seconds])
    axes.set_xscale("log")
    axes.set_xlim(0.1, max(seconds) * 4)
    axes.set_xlabel("CPU seconds (logarithmic)")
    axes.set_title(f"Drift of {CURRENT_ROWS:,} rows x {COLUMNS} numeric columns")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RESULTS / "tables", help="where the tables are made")
    folder = parser.parse_args().folder
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = report(folder)
    (RESULTS / "detect.md").write_text(text)
    print(text)
    print(f"written: {RESULTS / 'detect.md'}, {RESULTS / 'detect.png'}")


if __name__ == "__main__":
    main()

"""False alarms and power of every test and detector with default settings: ``make bench-alarms``.

With the folder of the real streams as argument (``DATA=DIR``) those are watched, too. Writes tables
(Markdown) and a plot to ``build/bench``. Seeds are fixed; intervals are two-sided, 95 %, exact.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.benchmarks import alarms_detectors, alarms_simulated, alarms_streams
from tests.benchmarks.alarms_simulated import CHECKS, SIZES, TESTS, Share
from tests.benchmarks.measuring import RESULTS, markdown

EPISODE_ROWS = (480, 2_400, 24_000)


def quick(checks: int) -> int:
    """Repetitions of what is asked for each change and size."""
    return max(checks // 5, 20)


def false_alarm_table(found: Iterable[tuple[str, int, Share]]) -> str:
    shares = {(test, rows): share for test, rows, share in found}
    names = list(dict.fromkeys(test for test, _ in shares))
    sizes = list(dict.fromkeys(rows for _, rows in shares))
    rows = [(name, *(str(shares[name, size]) for size in sizes)) for name in names]
    return markdown(("checks breached", *(f"n = {size:,}" for size in sizes)), rows)


def episode_table() -> str:
    found = {size: dict(alarms_simulated.episodes(size)) for size in EPISODE_ROWS}
    names = list(found[EPISODE_ROWS[0]])
    rows = [(name, *(f"{found[size][name]:.1f}" for size in EPISODE_ROWS)) for name in names]
    return markdown(("episodes a year", *(f"n = {size:,}" for size in EPISODE_ROWS)), rows)


def power_table(checks: int) -> str:
    found = list(alarms_simulated.power(checks=checks))
    shares = {(change, size, test): share for test, change, size, share in found}
    pairs = list(dict.fromkeys((change, size) for change, size, _ in shares))
    rows = [
        (change, f"{size:,}", *(f"{_rate(shares[change, size, test]):.0%}" for test in TESTS))
        for change, size in sorted(pairs, key=lambda pair: list(alarms_simulated.CHANGES).index(pair[0]))
    ]
    return markdown(("found", "n", *TESTS), rows)


def _rate(share: Share) -> float:
    return share.breached / share.checks


def detector_tables() -> list[str]:
    lengths = list(alarms_detectors.run_lengths())
    names = list(alarms_detectors.LOSSES)
    known = {(one.detector, one.losses): one for one in lengths}
    rows = [(name, *(str(known[name, loss]) for loss in names)) for name in alarms_detectors.DETECTORS]
    asked = f"rows per alarm, {alarms_detectors.RUN_LENGTH:,} asked for"
    late = list(alarms_detectors.delays())
    rises = list(dict.fromkeys(rise for _, rise, _, _ in late))
    medians = {(name, rise): f"{delay:,.0f} ({found})" for name, rise, delay, found in late}
    delays = [(name, *(medians[name, rise] for rise in rises)) for name in alarms_detectors.DETECTORS]
    found = f"median rows to an alarm (found of {alarms_detectors.STREAMS})"
    return [markdown((asked, *names), rows), markdown((found, *rises), delays)]


def stream_table(folder: Path) -> str:
    found = [
        *alarms_streams.inputs(folder, TESTS),
        *alarms_streams.losses(folder, alarms_detectors.DETECTORS),
    ]
    rows = [
        (
            one.stream.name,
            one.stream.change,
            one.monitor,
            one.inside,
            one.calm,
            "not found" if one.delay is None else f"{one.delay:,}",
            ", ".join(one.columns),
        )
        for one in found
    ]
    headings = (
        "stream",
        "change",
        "monitor",
        "breached inside the reference",
        "between",
        "delay in rows",
        "",
    )
    return markdown(headings, rows)


def plot(found: list[tuple[str, int, Share]], path: Path) -> None:
    """Share of checks breached over rows of a window, with intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from scipy import stats

    figure, axes = pyplot.subplots(figsize=(8, 4.6), layout="constrained")
    names = list(dict.fromkeys(test for test, _, _ in found))
    for place, name in enumerate(names):
        points = [(rows, share) for test, rows, share in found if test == name]
        rates = [_rate(share) for _, share in points]
        spans = [stats.binomtest(s.breached, s.checks).proportion_ci(method="exact") for _, s in points]
        low = [rate - span.low for rate, span in zip(rates, spans, strict=True)]
        high = [span.high - rate for rate, span in zip(rates, spans, strict=True)]
        care = name in TESTS
        axes.errorbar(
            [rows * 1.04 ** (place - len(names) / 2) for rows, _ in points],
            rates,
            yerr=[low, high],
            label=name,
            marker="o" if care else "s",
            linestyle="-" if care else "--",
            color=f"C{place}" if care else ("black" if "KS" in name else "grey"),
            capsize=2,
        )
    axes.axhline(0.01, color="red", linewidth=0.8)
    axes.text(SIZES[0], 0.0115, "claimed: 1 %", color="red", fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=-0.0005)
    axes.set_yticks([0, 0.005, 0.01, 0.1, 1], ["0", "0.5 %", "1 %", "10 %", "100 %"])
    axes.set_xlabel("rows of a window")
    axes.set_ylabel("checks breached")
    axes.set_title("30 features, nothing has changed: share of checks that say something has")
    figure.legend(fontsize=8, ncols=5, loc="outside lower center", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="folder of the real streams")
    parser.add_argument("--checks", type=int, default=CHECKS)
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / "alarms.md").open("w") as file:
        for title, tables in sections(options.checks, options.data):
            for text in (f"## {title}", *tables()):
                print(text, end="\n\n", flush=True)
                print(text, end="\n\n", file=file, flush=True)
    print(f"written: {RESULTS / 'alarms.md'}, {RESULTS / 'alarms.png'}")


def sections(checks: int, data: Path | None) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Yield a title and what makes its tables, the dearest last."""
    yield f"Without any change: {checks:,} checks of 30 features", lambda: [false_alarms(checks)]
    if data is not None:
        yield "Real streams", lambda: [stream_table(data)]
    yield "Change detectors on losses", detector_tables
    yield "With a change in one of the 30 features", lambda: [power_table(quick(checks))]
    yield "Hourly checks of the last 24 hours", lambda: [episode_table()]


def false_alarms(checks: int) -> str:
    """The table, and beside it the plot."""
    found = list(alarms_simulated.false_alarms(checks=checks))
    plot(found, RESULTS / "alarms.png")
    return false_alarm_table(found)


if __name__ == "__main__":
    main()

"""How often equal, better and worse models are promoted and rolled back: ``make bench-promotion``.

Champion and challenger disagree on 10 % of 20,000 labelled rows, 40 to a pane. Looks come after every
block; a rule promotes, or rolls back, once. The shadow's rule is that of ctrain: blocks whose length
comes from a holdout of 300 panes before it, the bounds of the comparison on their means, and evidence
from single rows that agrees. Beside it a t-test at 5 % at every look, and one at the end alone. A
probation is judged by the engine's own function, with a duration of half of the rows, so that the last
look is that at which an undecided one ends, and the margin that a policy has by default.
Writes tables (Markdown) and a plot to ``build/bench``; intervals are two-sided, 95 %, exact.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from ctrain.lifecycle.comparison import (
    ProbationJudgement,
    ProbationVerdict,
    judge_probation,
    longest_probation_block,
    longest_shadow_block,
)
from ctrain.policy.models import Probation, Shadow
from ctrain.stats.blocks import block_length
from ctrain.stats.empirical_bernstein import RowEvidence
from ctrain.stats.sequential import MIN_BLOCKS, ComparisonState, standard_width
from tests.benchmarks.alarms_simulated import Share
from tests.benchmarks.measuring import RESULTS, markdown

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
ROWS, HOLDOUT_ROWS, ROWS_A_PANE = 20_000, 12_000, 40
DISAGREEMENT = 0.1
REPETITIONS = 2000
SEED = 20130101
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
PANES = ROWS // ROWS_A_PANE
SHADOW = Shadow(alpha=ALPHA, min_duration=timedelta(0), max_duration=PANES * HOUR)
PROBATION = Probation(alpha=ALPHA, duration=PANES * HOUR / 2)
FIXED_HORIZON = round((1.645 + 1.645) ** 2 * DISAGREEMENT / 0.01**2)
"""Rows that a single test at 5 % needs to find one point with a power of 95 %."""


def independent(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    """1 where the challenger alone is wrong, -1 where the champion alone is, else 0."""
    return _signs(rng, rows, gain) * (rng.uniform(size=rows) < DISAGREEMENT)


def bursts(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    """Twenty rows in a row share their sign."""
    return _signs(rng, rows // 20, gain).repeat(20) * (rng.uniform(size=rows) < DISAGREEMENT)


def repeated(rng: np.random.Generator, rows: int, gain: float) -> Floats:
    """Every row comes ten times."""
    return independent(rng, rows // 10, gain).repeat(10)


def regimes(length: int) -> Callable[[np.random.Generator, int, float], Floats]:
    """For so many rows the same model is the better one."""

    def draw(rng: np.random.Generator, rows: int, gain: float) -> Floats:
        signs = _signs(rng, -(-rows // length), gain).repeat(length)[:rows]
        return signs * (rng.uniform(size=rows) < DISAGREEMENT)

    return draw


def _signs(rng: np.random.Generator, number: int, gain: float) -> Floats:
    return np.where(rng.uniform(size=number) < 0.5 - gain / DISAGREEMENT / 2, 1.0, -1.0)


SCENARIOS = {
    "independent rows": independent,
    "bursts of 20 rows": bursts,
    "rows repeated 10 times": repeated,
    "regimes of 50 rows": regimes(50),
    "regimes of 1,000 rows": regimes(1000),
}


@dataclass(frozen=True)
class Looks:
    """What a rule sees: the live rows, cut into blocks."""

    rows: Floats
    block_rows: int

    @property
    def means(self) -> Floats:
        whole = self.rows.size // self.block_rows * self.block_rows
        means: Floats = self.rows[:whole].reshape(-1, self.block_rows).mean(axis=1)
        return means

    def outside(self, width: Callable[[Floats], Floats]) -> npt.NDArray[np.int64]:
        """Numbers of the blocks after which the mean is below zero by more than the width."""
        means = self.means
        count = np.arange(1.0, means.size + 1)
        mean = means.cumsum() / count
        squares = (means**2).cumsum() - count * mean**2 + (1 / self.block_rows) ** 2
        deviation = np.sqrt(np.maximum(squares, 0.0) / count)
        below = (mean + deviation * width(count) < 0) & (count >= MIN_BLOCKS)
        return 1 + np.flatnonzero(below)


def sequence_width(count: Floats) -> Floats:
    return np.asarray(standard_width(count, ALPHA))


def t_width(count: Floats) -> Floats:
    return np.asarray(1.645 / np.sqrt(count))


def promoted_by_shadow(looks: Looks) -> int:
    """Rows until blocks and rows agree that the challenger is better; 0: never."""
    evidence, done = RowEvidence(), 0
    for block in looks.outside(sequence_width):
        end = int(block) * looks.block_rows
        evidence, done = evidence.with_rows(looks.rows[done:end]), end
        if evidence.against(0.0) >= math.log(1 / ALPHA):
            return end
    return 0


def probation_ended(looks: Looks) -> tuple[int, ProbationJudgement]:
    """Rows until the end of a probation, and how it ended; looks that come before 20 blocks are left out."""
    state, judgement = ComparisonState(), None
    for number, mean in enumerate(looks.means, start=1):
        state = state.with_block(float(mean), looks.block_rows)
        now = START + number * looks.block_rows // ROWS_A_PANE * HOUR
        if number >= MIN_BLOCKS:
            judgement = judge_probation(PROBATION, state, started_at=START, now=now)
            if judgement.decided:
                return state.rows, judgement
    assert judgement is not None
    return state.rows, judgement


def peeked(looks: Looks) -> int:
    found = looks.outside(t_width)
    return int(found[0]) * looks.block_rows if found.size else 0


def looked_at_the_end(looks: Looks) -> int:
    found = looks.outside(t_width)
    return ROWS if found.size and found[-1] == looks.means.size else 0


def block_rows(holdout: Floats, longest: timedelta) -> int:
    """Rows of a block, from rows before the shadow."""
    panes = holdout.reshape(-1, ROWS_A_PANE).mean(axis=1)
    return block_length(np.arange(panes.size) * 3600, panes, HOUR, longest) // HOUR * ROWS_A_PANE


RULES = {
    "ctrain": promoted_by_shadow,
    "t-test at every look": peeked,
    "t-test at the end": looked_at_the_end,
}


def studied(scenario: str, gain: float, repetitions: int) -> dict[str, npt.NDArray[np.int64]]:
    """Rows until each rule acts, by repetition; 0 where it does not."""
    rng, draw = np.random.default_rng(SEED), SCENARIOS[scenario]
    found: dict[str, list[int]] = {name: [] for name in RULES}
    for _ in range(repetitions):
        rows, holdout = draw(rng, ROWS, gain), draw(rng, HOLDOUT_ROWS, gain)
        looks = Looks(rows, block_rows(holdout, longest_shadow_block(SHADOW)))
        for name, rule in RULES.items():
            found[name].append(rule(looks))
    return {name: np.array(rows) for name, rows in found.items()}


@dataclass(frozen=True)
class RolledBack:
    """Rows until a probation rolled back, by its bounds or by the test at its end; 0 where it did not."""

    by_bounds: npt.NDArray[np.int64]
    at_end: npt.NDArray[np.int64]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        rows: npt.NDArray[np.int64] = self.by_bounds + self.at_end
        return rows


def rolled_back(scenario: str, loss: float, repetitions: int) -> RolledBack:
    """What became of probations whose champion is worse than the previous one by ``loss``."""
    rng, draw = np.random.default_rng(SEED), SCENARIOS[scenario]
    by_bounds, at_end = np.zeros((2, repetitions), dtype=np.int64)
    for repetition in range(repetitions):
        rows, holdout = draw(rng, ROWS, -loss), draw(rng, HOLDOUT_ROWS, -loss)
        looks = Looks(rows, block_rows(holdout, longest_probation_block(PROBATION)))
        end, judgement = probation_ended(looks)
        if judgement.verdict is ProbationVerdict.ROLL_BACK:
            (at_end if judgement.at_end else by_bounds)[repetition] = end
    return RolledBack(by_bounds, at_end)


def share(rows: npt.NDArray[np.int64]) -> str:
    return str(Share(int(np.count_nonzero(rows)), rows.size))


def median(rows: npt.NDArray[np.int64]) -> str:
    return f"{np.median(rows[rows > 0]):,.0f}" if rows.any() else "-"


def report(repetitions: int) -> str:
    promotions = []
    equal = {scenario: studied(scenario, 0.0, repetitions) for scenario in SCENARIOS}
    better = {scenario: studied(scenario, 0.01, repetitions) for scenario in SCENARIOS}
    for scenario in SCENARIOS:
        for name in ("ctrain", "t-test at every look", "t-test at the end"):
            found = better[scenario][name]
            wrong, right = share(equal[scenario][name]), f"{np.mean(found > 0):.1%}"
            promotions.append((scenario, name, wrong, right, median(found)))
    plot(equal, better)
    return "\n\n".join(
        [
            f"{repetitions:,} repetitions, {ROWS:,} rows each, at {ALPHA:.0%}; a test of fixed size needs "
            f"{FIXED_HORIZON:,} independent rows.",
            markdown(
                ("rows", "rule", "equal models promoted", "one point better promoted", "median rows"),
                promotions,
            ),
            report_rollbacks(repetitions),
        ]
    )


def report_rollbacks(repetitions: int) -> str:
    """By scenario: what becomes of equal champions, of those at the margin, and of worse ones."""
    lines = []
    for scenario in SCENARIOS:
        equal, limit = (rolled_back(scenario, loss, repetitions) for loss in (0.0, PROBATION.margin))
        worse = [rolled_back(scenario, loss, repetitions // 4) for loss in (0.02, 0.05)]
        found = [
            f"{median(one.rows)} ({np.mean(one.by_bounds > 0):.0%}, {np.mean(one.rows > 0):.0%})"
            for one in worse
        ]
        shares = [share(one) for one in (equal.rows, equal.by_bounds, limit.by_bounds)]
        lines.append((scenario, *shares, *found))
    head = ("rows", "equal: rolled back", "by the bounds", "worse by the margin: by the bounds")
    return markdown((*head, "2 points worse: median rows (by the bounds, in all)", "5 points"), lines)


def plot(
    equal: dict[str, dict[str, npt.NDArray[np.int64]]], better: dict[str, dict[str, npt.NDArray[np.int64]]]
) -> None:
    """Share promoted by the number of rows: equal models above, better ones below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    colours = {"ctrain": "#0072B2", "t-test at every look": "#D55E00", "t-test at the end": "#999999"}
    places = np.linspace(0, ROWS, 401)
    figure, rows = pyplot.subplots(
        2, len(SCENARIOS), figsize=(13, 5), sharex=True, sharey="row", layout="constrained"
    )
    for line, (title, found) in zip(rows, (("equal", equal), ("1 point better", better)), strict=True):
        for axes, scenario in zip(line, SCENARIOS, strict=True):
            for name, colour in colours.items():
                acted = found[scenario][name]
                shares = [np.mean((acted > 0) & (acted <= place)) for place in places]
                axes.plot(places, shares, color=colour, label=name)
            if title == "equal":
                axes.axhline(ALPHA, color="black", linestyle="--", linewidth=1)
                axes.set_title(scenario, fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel(f"promoted, {title}")
    rows[1][len(SCENARIOS) // 2].set_xlabel("labelled rows seen")
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    RESULTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(RESULTS / "promotion.png", dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    text = report(parser.parse_args().repetitions)
    (RESULTS / "promotion.md").write_text(text + "\n")
    print(text)
    print(f"written: {RESULTS / 'promotion.md'}, {RESULTS / 'promotion.png'}")


if __name__ == "__main__":
    main()

"""How often a domain classifier by segment breaches on weeks of one half-year, and why it is asked for more.

Run as ``python tests/benchmarks/bench_segments.py``; it takes a minute of processor time. Each of 26 weeks
of the demo's flights is told from the others by each of 20 destinations. No week is meant to stand out;
what is usual to a destination is how well ten of the other weeks are told apart, as a monitor reckons it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from ctrain.analysis.separation import separate
from ctrain.app.forking import in_forks
from ctrain.demo.flights import NUMERIC, load_flights
from ctrain.domain import MonitorName, Status, Version
from ctrain.monitors.classifier_segments import SegmentFinding, SegmentFindings, assess_segments
from ctrain.monitors.domain_classifier import ClassifierFinding
from ctrain.monitors.usual_auc import usual_auc
from ctrain.policy.monitors import DomainClassifierMonitor
from ctrain.stats.mann_whitney import Separation
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.profile import event_microseconds

WEEKS, SEGMENTS, INSIDE = 26, 20, 10
START = datetime(2013, 1, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEK_MICROSECONDS = WEEK // timedelta(microseconds=1)
CALENDAR = {"day_of_year", "day_of_week", "dep_hour"}
"""Functions of the time, which a monitor leaves out."""
FEATURES = {
    "numeric": [name for name in NUMERIC if name not in CALENDAR],
    "boolean": [],
    "categorical": ["carrier", "origin"],
    "date": [],
    "text": [],
}
MONITOR = DomainClassifierMonitor(type="domain_classifier", window=WEEK, by="dest", min_rows=100)
Aucs = list[Separation | None]


def main() -> None:
    started = time.perf_counter()
    rows = load_flights().filter(pc.field("scheduled_at") < pa.scalar(START + WEEKS * WEEK))
    rows = rows.rename_columns({"scheduled_at": "event_at"})
    counts = rows.group_by("dest").aggregate([([], "count_all")]).sort_by([("count_all", "descending")])
    names = [str(name) for name in counts["dest"].to_pylist()[:SEGMENTS]]
    with threadpool_limits(1):
        found = dict(zip(names, in_forks(lambda name: told_apart(rows, name), names), strict=True))
    looks = [look(found, names, week) for week in range(WEEKS)]
    alone = [look(found, [name], week) for name in names for week in range(WEEKS)]
    seconds = time.perf_counter() - started
    print(f"{WEEKS} weeks of {rows.num_rows:,} flights, {SEGMENTS} destinations, {seconds:.0f} s")
    for words, share in (
        ("looks at all destinations that breach", breached(looks)),
        ("looks at one destination alone that breach", breached(alone)),
        ("would, if only a segment's own windows counted", np.mean([own(found, w) for w in range(WEEKS)])),
        ("would, by corrected p-values", np.mean([by_p(found, week) for week in range(WEEKS)])),
    ):
        print(f"{share:6.1%}  {words}")


def told_apart(rows: pa.Table, name: str) -> Aucs:
    """How well each week is told from the others; None where it has too few rows."""
    mine = rows.filter(pc.field("dest") == name)
    weeks = (event_microseconds(mine) - int(START.timestamp() * 1e6)) // WEEK_MICROSECONDS
    return [_one(mine, weeks == week, week) for week in range(WEEKS)]


def _one(rows: pa.Table, inside: np.ndarray, seed: int) -> Separation | None:
    rest = np.random.default_rng(seed).permutation(np.flatnonzero(~inside))[: MONITOR.sample]
    current, reference = rows.filter(inside), rows.take(np.sort(rest))
    if current.num_rows < MONITOR.min_rows:
        return None
    return separate(reference, current, FEATURES, WEEK_MICROSECONDS, seed, importance=False)[0]


def told(found: Aucs, week: int) -> ClassifierFinding | None:
    """As a monitor would be told, with ten of the other weeks as windows inside the reference."""
    here = found[week]
    if here is None:
        return None
    others = [one.auc for place, one in enumerate(found) if one is not None and place != week]
    spread = np.unique(np.linspace(0, len(others) - 1, INSIDE).round().astype(int))
    return ClassifierFinding(here.auc, here.p_value, 1000, 1000, {}, tuple(others[place] for place in spread))


def look(found: dict[str, Aucs], names: list[str], week: int) -> Status:
    segments = [SegmentFinding(name, 1000, 1000, told(found[name], week)) for name in names]
    as_of = START + (week + 1) * WEEK
    return assess_segments(
        MonitorName("joint"), MONITOR, SegmentFindings(segments), as_of, Version("1")
    ).status


def breached(looks: list[Status]) -> float:
    judged = [one for one in looks if one is not Status.INCONCLUSIVE]
    return float(np.mean([one is Status.BREACHED for one in judged]))


def own(found: dict[str, Aucs], week: int) -> bool:
    """A corrected p-value, and an AUC above what the segment's own windows reach."""
    here = [one for one in (told(aucs, week) for aucs in found.values()) if one is not None]
    adjusted = benjamini_hochberg([one.p_value for one in here])
    thresholds = [max(MONITOR.min_auc, usual_auc(one.inside) or 0.0) for one in here]
    return any(
        p < MONITOR.alpha and one.auc >= threshold
        for one, p, threshold in zip(here, adjusted, thresholds, strict=True)
    )


def by_p(found: dict[str, Aucs], week: int) -> bool:
    """A corrected p-value alone."""
    here = [one.p_value for one in (aucs[week] for aucs in found.values()) if one is not None]
    return min(benjamini_hochberg(here)) < MONITOR.alpha


if __name__ == "__main__":
    main()

"""Bytes of database for a policy and year, with everything kept and with what is old forgotten.

Ten numbers and two categories are watched hour by hour by five monitors. Rows of the database are those
that the engine wrote on two days of a small world, moved from day to day; a run is made every two weeks.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from ctrain.domain import (
    Champion,
    Decision,
    Event,
    Json,
    MonitorName,
    Outcome,
    Phase,
    Run,
    RunId,
    Status,
    Suppression,
    TriggerName,
    Verdict,
    Version,
)
from ctrain.engine.retention import drop_profiles, forget
from ctrain.settings import Retention
from ctrain.store import SqlTransaction, open_store
from tests.benchmarks.measuring import markdown
from tests.support.world import POLICY, START, World

DAY = timedelta(days=1)
DAYS = 365
DAYS_OF_THE_WORLD = 9
DAYS_A_RUN = 14
LOOKS = 24 * DAYS_A_RUN
EVENTS_A_RUN = 12
SUPPRESSIONS_A_DAY = 4
BREACHES = 0.02
"""Share of the verdicts that breach here; in a stretch of a few hours, as drift does."""
MEGABYTE = 1e6
MORE = tuple(f"f{number}" for number in range(8))
FEATURES = ", ".join(("x", "z", *MORE))
WATCHED = (
    POLICY.replace("numeric: [x, z]", f"numeric: [{FEATURES}]")
    .replace("window: 6h", "window: 1d")
    .replace("window: 12h", "window: 7d")
    .replace("{any: [brier], for: 2h}", "{any: [brier], for: 900h}")
    .replace("  fresh:", "  quality: {type: quality, window: 1h, max_null_rate: 0.05}\n  fresh:")
)


@dataclass(frozen=True)
class Sample:
    """What the engine wrote in one day, and once."""

    at: datetime
    verdicts: list[Verdict]
    panes: list[tuple[str, datetime, int, bytes, int]]
    arrivals: dict[datetime, Json]
    reference: tuple[str, bytes]
    detectors: dict[MonitorName, Json]
    run: Run


def taken(folder: Path) -> Sample:
    """The rows of a small world's last full day."""
    world = World(folder, WATCHED, more=MORE, rows_per_hour=200)
    champion = world.install(2.0)
    world.live(24 * DAYS_OF_THE_WORLD, step=24)
    at = START + (DAYS_OF_THE_WORLD - 2) * DAY
    with world.store.read() as tx:
        verdicts = [one for one in tx.verdicts(world.name, limit=10_000) if at <= one.as_of < at + DAY]
        reference = tx.reference(world.name, champion)
        assert reference is not None
        levels = range(8)
        panes = [
            (reference[0], start, level, profile, 200)
            for level in levels
            for start, profile in tx.panes(world.name, reference[0], at, at + DAY, level).items()
        ]
        states = {name: tx.detector(world.name, name, champion) for name in {one.monitor for one in verdicts}}
        arrivals = dict(tx.arrivals(world.name, at, at + DAY))
    loaded = world.watch.loaded
    run = Run(
        RunId("run"), world.name, Phase.ACCEPTED, TriggerName("degraded"), "brier 0.251 is above 0.240",
        "ctrain", loaded.hash, loaded.text, str(loaded.path), at, at, details={"training": {"rows": 36_000}},
    )  # fmt: skip
    detectors = {name: state for name, state in states.items() if state is not None}
    return Sample(at, verdicts, panes, arrivals, reference, detectors, run)


def live_a_day(tx: SqlTransaction, sample: Sample, day: int, random: np.random.Generator) -> None:
    """Write what a day adds."""
    later = START + day * DAY - sample.at
    policy, hash_ = sample.run.policy, sample.run.policy_hash
    for one in sample.verdicts:
        breached = random.random() < BREACHES
        status = Status.BREACHED if breached else one.status
        tx.record_verdict(policy, hash_, replace(one, as_of=one.as_of + later, status=status))
    tx.save_panes(
        policy,
        [(grid, start + later, level, profile, rows) for grid, start, level, profile, rows in sample.panes],
    )
    tx.save_arrivals(policy, {start + later: counts for start, counts in sample.arrivals.items()})
    tx.claim_occurrence(policy, TriggerName("nightly"), START + day * DAY)
    for number in range(SUPPRESSIONS_A_DAY):
        for decision in _decisions():
            tx.record_decision(policy, hash_, decision, START + day * DAY + number * timedelta(hours=6))
    if day % DAYS_A_RUN == 0:
        _train(tx, sample, day)


def _decisions() -> Iterator[Decision]:
    trigger, evidence = TriggerName("degraded"), {"brier": {"status": "BREACHED", "value": 0.2513, "n": 4321}}
    reason = "in cooldown for another 5 h"
    yield Decision(trigger, Outcome.SUPPRESSED, reason, Suppression.COOLDOWN, evidence=evidence)
    yield Decision(trigger, Outcome.NOT_MET, "brier is OK", evidence=evidence)


def _train(tx: SqlTransaction, sample: Sample, day: int) -> None:
    at, policy = START + day * DAY, sample.run.policy
    number = day // DAYS_A_RUN + 1
    version, run_id = Version(str(number)), RunId(f"20240101-{number:012d}")
    run = replace(sample.run, id=run_id, created_at=at, phase_since=at, challenger_version=version)
    fired = Decision(TriggerName("degraded"), Outcome.FIRED, "brier has been BREACHED for 2 h")
    tx.record_decision(policy, run.policy_hash, fired, at, run_id)
    tx.create_run(run)
    tx.save_reference(policy, version, *sample.reference)
    for monitor, state in sample.detectors.items():
        tx.save_detector(policy, monitor, version, state)
    point = dict.fromkeys(("difference", "lower", "upper", "champion", "challenger"), 0.123456789012345)
    for look in range(LOOKS):
        tx.add_comparison_point(run_id, Phase.SHADOWING, at, {**point, "rows": 200 * look, "blocks": look})
    for step in range(EVENTS_A_RUN):
        evidence = {"step": step, **point, "version": version, "digest": "0" * 64}
        tx.append_event(
            Event(
                policy, "promoted", at, "ctrain", "a sentence of usual length about it", run_id, "h", evidence
            )
        )
    tx.save_champion(policy, Champion(version, at, "promoted"))


def year(folder: Path, sample: Sample, world_policy: str, *, forgets: bool) -> Path:
    """A database after a year."""
    from ctrain.policy.files import parse_policy

    policy = parse_policy(world_policy, Path("clicks.yaml"), {}).policy
    file = folder / f"{'kept' if forgets else 'all'}.db"
    store, random = open_store(f"sqlite:///{file}", durable=False), np.random.default_rng(1)
    for day in range(DAYS):
        with store.write() as tx:
            live_a_day(tx, sample, day, random)
        while forgets:
            with store.write() as tx:
                drop_profiles(tx, policy, START + day * DAY)
                if forget(tx, sample.run.policy, START + day * DAY, Retention()):
                    break
    store.close()
    return file


def sizes(file: Path) -> dict[str, int]:
    """Bytes by table, with those of its indexes, and of the whole file."""
    query = (
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
        "GROUP BY m.tbl_name ORDER BY 2 DESC"
    )
    with closing(sqlite3.connect(file)) as raw:
        found = dict(raw.execute(query).fetchall())
    return {**found, "the file": file.stat().st_size}


def main(folder: Path) -> None:
    sample = taken(folder / "world")
    everything, kept = (sizes(year(folder, sample, WATCHED, forgets=forgets)) for forgets in (False, True))
    rows = [
        (name, f"{everything[name] / MEGABYTE:.2f}", f"{kept[name] / MEGABYTE:.2f}")
        for name in everything
        if everything[name] > 0.01 * MEGABYTE
    ]
    print(markdown(("MB a policy after a year", "nothing forgotten", "as it is"), rows))
    print(f"\n1,000 policies after a year: {kept['the file'] * 1000 / 1e9:.1f} GB; ", end="")
    print(f"events {kept['events'] * 1000 / 1e9:.2f} GB of it, which grow for ever")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))

"""Domain classifiers by segment in the engine: whose rows are sampled, and what is said of each value."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from ctrain.analysis import segment_separation
from ctrain.domain import AnalysisJob, Json, Status, Verdict
from ctrain.engine import champion_rows
from ctrain.engine.champion_rows import Wanted, load_champion_rows
from ctrain.engine.pictures import picture_request
from ctrain.engine.sampling import SEGMENT, sample_rows
from ctrain.engine.segment_counts import Segments
from ctrain.stats.profile import event_microseconds
from tests.support.world import HOUR, POLICY, START, World

WATCHED = """\
monitors:
  joint: {type: domain_classifier, window: 6h, min_rows: 100, sample: 200, by: kind, max_segments: 2}
  fresh: {type: freshness, max_age: 6h}
"""
QUIET = POLICY.split("monitors:\n")[0] + WATCHED + "triggers: {}\n" + POLICY[POLICY.index("limits:") :]
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}
SHARES = {"a": 0.6, "b": 0.35, "c": 0.03, None: 0.02}


def fitted(job: AnalysisJob) -> Json:
    """What a child would find."""
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded can be limited

    find = {
        "separation_by_segment": segment_separation.answer_separation,
        "inside_by_segment": segment_separation.answer_inside,
    }[job.role]
    with threadpool_limits(1):
        return find(Path(), job.request)


class Turning(World):
    """Rows of ``a``, ``b`` and few of others; from an hour on the correlation turns round for ``b`` alone."""

    turns_at = 36

    def _hour(self) -> tuple[pa.Table, pa.Table]:
        rows, labels = super()._hour()
        n = rows.num_rows
        kinds = np.random.default_rng([5, self.hour]).choice(
            np.array([*SHARES], object), n, p=[*SHARES.values()]
        )
        rows = rows.set_column(rows.schema.get_field_index("kind"), "kind", pa.array(kinds, pa.string()))
        if self.hour < self.turns_at:
            return rows, labels
        turned = pc.if_else(pa.array(kinds == "b"), pc.negate(rows["z"]), rows["z"])
        return rows.set_column(rows.schema.get_field_index("z"), "z", turned), labels


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("turned")
    made = Turning(folder, policy_text=QUIET, rows_per_hour=80, answers=fitted, correlation=0.8)
    made.install(2.0, KNOWN)
    made.live(44, step=22)
    return made


def joint(world: World) -> dict[int, Verdict]:
    return {(one.as_of - START) // HOUR: one for one in world.verdicts() if one.monitor == "joint"}


def test_the_segment_that_turned_is_named_with_its_features(turned: World) -> None:
    before, after = joint(turned)[36], joint(turned)[42]
    assert before.status is Status.OK, before.reason
    assert before.reason.startswith("none of 2 segments of kind stands out; the nearest is kind=")
    assert after.status is Status.BREACHED, after.reason
    assert {one.column for one in after.features if one.breached} == {
        "x [kind=b]",
        "z [kind=b]",
        "auc [kind=b]",
    }
    assert after.reason.startswith("kind=b: held-out rows are told from the reference with AUC 0.")
    assert after.value is not None
    assert after.value > 0.7


def test_the_rest_is_too_small_to_be_a_segment(turned: World) -> None:
    told = joint(turned)[42]
    assert not any("other" in one.column for one in told.features)
    assert "left out" not in told.reason


def test_the_classifier_of_a_segment_does_not_see_what_names_it(turned: World) -> None:
    asked = turned.analyst.asked[-1].request
    assert asked["features"] == {
        "numeric": ["x", "z"],
        "boolean": [],
        "categorical": [],
        "date": [],
        "text": [],
    }
    assert "kind" not in pq.read_table(asked["current"]).column_names
    assert not [one for one in joint(turned)[42].features if one.column == "kind"]


def test_each_segment_has_as_many_rows_as_there_are_up_to_the_sample(turned: World) -> None:
    with turned.store.read() as tx:
        champion = tx.champion(turned.name)
    assert champion is not None
    kept = load_champion_rows(turned.watch, champion, Wanted(200, "kind", 2))
    assert kept is not None
    assert kept.segments == ("a", "b")
    rows = turned.watch.workspace.read(kept.path)
    assert rows is not None
    all_rows = turned.watch.row_log.read(START, START + 24 * HOUR)
    counts = Counter(all_rows["kind"].to_pylist())
    sampled = Counter(rows[SEGMENT].to_pylist())
    assert sampled == {0: 200, 1: 200, 2: counts["c"] + counts[None]}
    assert set(zip(rows[SEGMENT].to_pylist(), rows["kind"].to_pylist(), strict=True)) == {
        (0, "a"),
        (1, "b"),
        (2, "c"),
        (2, None),
    }


def test_values_that_are_too_many_to_be_counted_leave_the_frequent_ones(
    turned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champion_rows, "MOST_VALUES", 3)
    with turned.store.read() as tx:
        champion = tx.champion(turned.name)
    assert champion is not None
    kept = load_champion_rows(turned.watch, champion, Wanted(150, "kind", 1))
    assert kept is not None
    assert kept.segments == ("a",)


def test_pictures_are_made_of_the_features_of_segments(turned: World) -> None:
    request = picture_request(turned.watch, None, [joint(turned)[42]], "pictures")
    (monitor,) = request["monitors"]
    assert monitor["joint"]
    assert {one["column"] for one in monitor["columns"]} == {"x [kind=b]", "z [kind=b]"}
    assert all(one["breached"] and "without it" in one["sentence"] for one in monitor["columns"])


def test_a_sample_is_the_same_whether_its_days_come_one_by_one_or_not(turned: World) -> None:
    segments = Segments("kind", ("b", "null"))

    def sampled(most: int, hours: int) -> pa.Table:
        return sample_rows(turned.watch, START, START + timedelta(hours=hours), most, 7, ["x"], segments)

    whole = sampled(100_000, 44)
    rows = turned.watch.row_log.read(START, START + 44 * HOUR)
    assert whole["x"].to_pylist() == rows["x"].to_pylist()
    few = sampled(50, 44)
    assert Counter(few[SEGMENT].to_pylist()) == {0: 50, 1: 50, 2: 50}
    assert set(few["x"].to_pylist()) < set(whole["x"].to_pylist())
    assert np.all(np.diff(event_microseconds(few)) >= 0)
    assert sampled(50, 44) == few
    assert sampled(50, 0).column_names == few.column_names


def test_a_restart_finds_the_same_answers(turned: World, tmp_path: Path) -> None:
    told = joint(turned)
    twin = turned.branch(tmp_path / "twin")
    asked = len(twin.analyst.asked)
    twin.land(6)
    twin.settle()
    again = joint(twin)
    assert [(hour, one.reason) for hour, one in again.items() if hour in told] == [
        (hour, one.reason) for hour, one in told.items()
    ]
    assert again[48].status is Status.BREACHED
    assert [job.role for job in twin.analyst.asked[asked:]] == ["separation_by_segment"]


def test_without_a_segment_that_has_enough_rows_nothing_is_asked(tmp_path: Path) -> None:
    made = Turning(tmp_path, policy_text=QUIET, rows_per_hour=20, answers=fitted, correlation=0.8)
    made.install(2.0, KNOWN)
    made.live(32, step=32)
    found = joint(made)[30]
    assert found.status is Status.INCONCLUSIVE
    assert found.reason.startswith("no segment of kind has 100 rows, the largest has ")
    assert {job.role for job in made.analyst.asked} == {"inside_by_segment"}

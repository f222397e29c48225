"""SIGKILL at six points of one story; afterwards nothing tells it from a story without any."""

from __future__ import annotations

from collections import Counter

import pytest

from ctrain.domain import Phase, PolicyName
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import open_store
from tests.e2e import state
from tests.e2e.conftest import KILLS, Told
from tests.e2e.faulty_daemon import TRAINING_STARTED
from tests.e2e.story import Story, home_of, living, no_process_left, scratch_of
from tests.e2e.stream import by_id

SAME = {
    "runs": """SELECT id, phase, trigger, reason, actor, created_at, phase_since, ended_at, champion_version,
        challenger_version, outcome_reason, details FROM runs ORDER BY number""",
    # what lies in a folder at a daemon's first look depends on the moment it starts
    "history": """SELECT kind, at, actor, message, run_id, evidence FROM events
        WHERE kind NOT IN ('source_note', 'reconciled') ORDER BY id""",
    "verdicts": """SELECT monitor, as_of, status, value, threshold, n, reason, features, model_version
        FROM verdicts ORDER BY monitor, as_of""",
    "comparison points": "SELECT run_id, phase, at, point FROM comparison_points ORDER BY id",
    "decisions": """SELECT trigger, outcome, suppression, first_reason, first_evidence, run_id, first_seen_at
        FROM decisions ORDER BY id""",
    "alias moves": """SELECT kind, expected_champion, expected_previous, new_champion, new_previous, run_id,
        outcome FROM alias_intents ORDER BY number""",
    "champion": "SELECT version, since_at, origin, cut_off_at FROM champions",
    "detectors": "SELECT monitor, version, state FROM detectors ORDER BY monitor, version",
    "references": "SELECT version, grid, reference FROM reference_profiles ORDER BY version",
    "panes": "SELECT grid, start, profile, rows FROM pane_profiles WHERE level = 0 ORDER BY grid, start",
    "triggers": "SELECT trigger, met_since, as_of, last_met_at FROM trigger_states ORDER BY trigger",
    "counts": """SELECT watermark, newest_event_at, next_pane_at, rows_total, late_total, duplicates_total,
        labels_total, rejected_total, last_arrival_at FROM ingest_states""",
}


@pytest.fixture(params=["undisturbed", "killed"])
def story(told: Told, request: pytest.FixtureRequest) -> Story:
    chosen: Story = getattr(told, request.param)
    return chosen


def test_daemon_was_killed_at_every_point_in_the_phase_that_is_meant(told: Told) -> None:
    met = {one.point: one.phase for one in told.killed.killed}
    phases = [None, Phase.TRAINING, Phase.SHADOWING, Phase.PROMOTING, Phase.PROMOTING, Phase.PROBATION]
    assert met == dict(zip((at.point for at in KILLS), phases, strict=True))
    assert [one.point for one in told.killed.killed if one.training_alive] == [TRAINING_STARTED]
    assert told.undisturbed.killed == []


def test_story_goes_from_no_model_to_an_accepted_promotion(story: Story) -> None:
    runs = state.rows_of(home_of(story.folder), "SELECT trigger, phase FROM runs ORDER BY number")
    assert runs == [
        {"trigger": "volume", "phase": "ACCEPTED"},
        {"trigger": "degraded", "phase": "ACCEPTED"},
    ]
    kinds = Counter(row["kind"] for row in state.rows_of(home_of(story.folder), "SELECT kind FROM events"))
    assert kinds["promoted"] == 2, "the first model, and one promotion"
    assert kinds["run_shadowing"] == kinds["run_probation"] == 1


@pytest.mark.parametrize("what", SAME)
def test_nothing_differs_from_the_undisturbed_story(told: Told, what: str) -> None:
    undisturbed, killed = (
        state.comparable(home_of(story.folder), story.name, SAME[what])
        for story in (told.undisturbed, told.killed)
    )
    assert undisturbed, "there is something to compare"
    assert killed == undisturbed


def test_twenty_blocks_were_compared_before_the_promotion_and_after_it(story: Story) -> None:
    points = state.rows_of(home_of(story.folder), "SELECT phase FROM comparison_points")
    assert Counter(row["phase"] for row in points) == {"SHADOWING": 20, "PROBATION": 20}


def test_every_row_is_logged_once_as_it_was_served(story: Story) -> None:
    rows = state.logged(home_of(story.folder), "rows")
    found = by_id(rows, "row_id", "x")
    assert rows.num_rows == len(found) == len(story.production.rows)
    assert found == story.production.rows
    counts = state.rows_of(home_of(story.folder), "SELECT rows_total, duplicates_total FROM ingest_states")
    assert counts == [{"rows_total": len(found), "duplicates_total": story.production.repeated}]


def test_every_label_is_logged_once(story: Story) -> None:
    labels = state.logged(home_of(story.folder), "labels")
    found = by_id(labels, "row_id", "label")
    assert labels.num_rows == len(found) == len(story.production.labels)
    assert found == story.production.labels


def test_every_score_is_logged_once(story: Story) -> None:
    home = home_of(story.folder)
    for version in ("1", "2"):
        scored = [row for row in state.segments(home, "scores") if row["model_version"] == version]
        ids = state.logged_in(home, scored)["row_id"].to_pylist()
        assert ids
        assert len(ids) == len(set(ids))


def test_no_segment_is_on_the_disk_that_the_manifest_does_not_name(story: Story) -> None:
    home = home_of(story.folder)
    assert state.files_on_disk(home) == state.files_in_manifest(home)


def test_training_ran_once_for_each_run(story: Story) -> None:
    runs = home_of(story.folder) / "runs"
    attempts = sorted(path.relative_to(runs).as_posix() for path in runs.glob("*/attempt-*"))
    assert attempts == [f"{story.name}-{number}/attempt-1" for number in (1, 2)]
    for folder in runs.glob("*/attempt-*"):
        assert "started already" not in (folder / "train.log").read_text()


def test_no_process_and_no_scratch_file_is_left_behind(story: Story) -> None:
    assert no_process_left(story.folder), living(story.folder)
    assert list(scratch_of(story.folder).iterdir()) == []
    assert story.exit_code == 0


def test_history_is_unbroken(story: Story) -> None:
    store = open_store(f"sqlite:///{home_of(story.folder) / 'state.db'}")
    with store.read() as tx:
        assert tx.open_intent(PolicyName(story.name)) is None
        assert check_links(all_links(tx)).intact

"""The checker is worth something: it knows nothing of ctrain, and sees what was done behind its back."""

from __future__ import annotations

import ast
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.chaos import checker
from tests.chaos.checker import Evidence, Limits, broken_promises
from tests.chaos.world import DurableWorld
from tests.support.stories import QUICK, ask_to_train

FIRST_SEGMENT = "SELECT min(id) FROM segments WHERE kind = 'rows'"
BEHIND: Mapping[str, tuple[str, str, str]] = {
    "an event": (
        "state.db",
        "DROP TRIGGER events_never_updated; UPDATE events SET message = 'nothing' WHERE id = 2",
        "event 2 (",
    ),
    "a removed event": (
        "state.db",
        "DROP TRIGGER events_never_deleted; DELETE FROM events WHERE id = 2",
        "event 2 is missing",
    ),
    "a segment": ("state.db", f"DELETE FROM segments WHERE id = ({FIRST_SEGMENT})", "not in the manifest"),
    "a total": ("state.db", "UPDATE ingest_states SET rows_total = rows_total + 1", "rows and repeated rows"),
    "a pane": ("state.db", "UPDATE pane_profiles SET rows = rows + 1 WHERE level = 0", "were in time"),
    "a run's start": (
        "state.db",
        "INSERT INTO decisions SELECT 99, policy, trigger, policy_hash, outcome, suppression, occurrence_at, "
        "first_reason, first_evidence, reason, evidence, run_id, first_seen_at, last_seen_at, seen_count "
        "FROM decisions WHERE outcome = 'fired'",
        "was started by 2 decisions",
    ),
    "a phase": (
        "state.db",
        "DROP TRIGGER runs_legal_phase; UPDATE runs SET phase = 'EVALUATING'",
        "its history ends in",
    ),
    "the gates": (
        "state.db",
        "UPDATE runs SET details = replace(details, '\"passed\":true', '\"passed\":false')",
        "gates",
    ),
    "the intent": ("state.db", "DELETE FROM alias_intents", "without an intent"),
    "an open intent": ("state.db", "UPDATE alias_intents SET outcome = ''", "left open"),
    "the champion": ("registry.db", "UPDATE registered_model_aliases SET version = '9'", "without an intent"),
    "the version": (
        "registry.db",
        "UPDATE model_version_tags SET value = 'other'",
        "is not the one that run",
    ),
}
"""Which database, what somebody does to it, and what has to be said of that."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The evidence of a first champion that was trained without any trouble."""
    world = DurableWorld(tmp_path_factory.mktemp("kept"), policy_text=QUICK, rows_per_hour=30)
    world.land_together(48)
    world.settle()
    ask_to_train(world)
    world.settle()
    world.land_together(2)
    world.settle()
    world.store.close()
    return world.evidence(Limits(runs=1))


def copied(kept: Evidence, folder: Path) -> Evidence:
    home = kept.database.parent
    shutil.copytree(home.parent, folder)
    return replace(
        kept,
        database=folder / "home" / "state.db",
        registry=folder / "registry.db",
        segments=folder / "home" / "rows",
        rows=folder / "rows",
        labels=folder / "labels",
        replaced=folder / "replaced",
    )


def test_nothing_is_found_where_nothing_happened(kept: Evidence) -> None:
    assert broken_promises(kept) == []


@pytest.mark.parametrize("what", BEHIND)
def test_what_was_changed_behind_our_back_is_found(kept: Evidence, tmp_path: Path, what: str) -> None:
    name, statements, expected = BEHIND[what]
    evidence = copied(kept, tmp_path / "copy")
    path = evidence.registry if name == "registry.db" else evidence.database
    with closing(sqlite3.connect(path)) as database:
        database.executescript(statements)
    found = broken_promises(evidence)
    assert any(expected in line for line in found), found


def test_a_row_that_was_never_logged_is_found(kept: Evidence, tmp_path: Path) -> None:
    evidence = copied(kept, tmp_path / "copy")
    [first, *_] = sorted(evidence.rows.iterdir())
    pq.write_table(pq.read_table(first).slice(1), first)
    assert any("was never sent" in line for line in broken_promises(evidence))


def test_a_run_beyond_the_budget_is_found(kept: Evidence) -> None:
    [fault] = broken_promises(replace(kept, limits=Limits(runs=0)))
    assert "run clicks-1 is number 1" in fault


def test_the_checker_imports_nothing_of_what_it_checks() -> None:
    files = list(Path(str(checker.__file__)).parent.glob("*.py"))
    assert len(files) > 1
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0] == "ctrain"], path

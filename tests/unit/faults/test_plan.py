"""Plans of faults: read from text, due at the right times, refused where they make no sense."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ctrain.app.faulting import planned_faults
from ctrain.domain import IngestState, PolicyName
from ctrain.errors import InputError, PermanentError, TransientError
from ctrain.faults import Around, Fault, Faults, FaultyStore, read_plan
from ctrain.store import open_store
from tests.fakes_store import MemoryStore

CLICKS = PolicyName("clicks")


def reached(faults: Faults, name: str, times: int, moment: str = "before") -> list[int]:
    """At which times something was raised."""
    raised = []
    for number in range(1, times + 1):
        try:
            faults.reach([name], moment)
        except (TransientError, PermanentError, OSError):
            raised.append(number)
    return raised


@pytest.mark.parametrize(
    ("when", "expected"),
    [("", [1]), ("@3", [3]), ("@2-4", [2, 3, 4]), ("@5-", [5, 6]), ("@p0", []), ("@p1", [1, 2, 3, 4, 5, 6])],
)
def test_a_fault_comes_at_the_times_that_are_meant(when: str, expected: list[int]) -> None:
    assert reached(read_plan(f"registry.alias:before{when}=transient"), "registry.alias", 6) == expected


def test_chance_is_decided_by_the_seed() -> None:
    plan = "registry.*:before@p0.3=transient; seed={}"
    first, again, other = (reached(read_plan(plan.format(seed)), "registry.alias", 200) for seed in (1, 1, 2))
    assert first == again != other
    assert 40 < len(first) < 80


@pytest.mark.parametrize(
    ("act", "error"), [("transient", TransientError), ("permanent", PermanentError)], ids=str
)
def test_a_place_raises_what_it_is_told_to(act: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"registry\.digest:after"):
        read_plan(f"registry.digest:after={act}").reach(["registry.digest"], "after")


def test_a_full_disk_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        read_plan("workspace.write:before=nospace").reach(["workspace.write"], "before")
    assert raised.value.errno == errno.ENOSPC


def test_a_particular_name_and_a_general_one_are_the_same_point() -> None:
    for pattern in ("registry.set_alias.champion:after", "registry.set_alias:after", "registry.*:after"):
        port = Around(Registry(), "registry", read_plan(f"{pattern}=transient"))
        with pytest.raises(TransientError, match=r"registry\.set_alias\.champion:after"):
            port.set_alias("clicks", "champion", "3")


class Registry:
    secret = "kept"

    def set_alias(self, model: str, alias: str, version: str) -> str:
        return f"{alias}={version}"

    def interrupt(self) -> str:
        return "interrupted"


def test_a_call_is_counted_before_and_after_it_and_answers_as_ever() -> None:
    faults = Faults([])
    port = Around(Registry(), "registry", faults)
    assert port.set_alias("clicks", "champion", "3") == "champion=3"
    assert (port.interrupt(), port.secret) == ("interrupted", "kept")
    assert faults.reached == {
        f"registry.{name}:{moment}": 1
        for name in ("set_alias", "set_alias.champion")
        for moment in ("before", "after")
    }


def test_a_commit_that_fails_keeps_nothing_and_one_whose_answer_is_lost_keeps_all(tmp_path: Path) -> None:
    inner = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    for moment, kept in (("before", False), ("after", True)):
        store = FaultyStore(inner, read_plan(f"commit.ingest:{moment}=transient"))
        with pytest.raises(TransientError), store.write() as tx:
            tx.save_ingest_state(CLICKS, IngestState(rows_total=7))
        with store.read() as tx:
            assert (tx.ingest_state(CLICKS).rows_total == 7) is kept


def test_what_writes_nothing_has_no_points() -> None:
    faults = Faults([Fault("*", pytest.fail, last=None)])
    with FaultyStore(MemoryStore(), faults).write() as tx:
        tx.ingest_state(CLICKS)
    assert not faults.reached


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("registry.alias=kill", "expected POINT:MOMENT"),
        ("registry.alias:before", "expected POINT:MOMENT"),
        ("registry.nothing:before=kill", "there is no point 'registry.nothing'"),
        (
            "registry.alias:before=explode",
            "expected one of kill, transient, permanent, nospace, delay:SECONDS",
        ),
        ("registry.alias:before=delay", "expected one of"),
        ("registry.alias:before@1.5=kill", "is no number of times"),
        ("scorer.poll:before=transient", "scorer never raises what 'transient' stands for"),
        ("commit:before=nospace", "commit never raises"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_plan(text)


def test_without_a_plan_there_are_no_faults_and_without_leave_no_daemon() -> None:
    assert planned_faults({}) is None
    assert planned_faults({"CTRAIN_FAULTS": "", "CTRAIN_FAULTS_ALLOWED": "yes"}) is None
    with pytest.raises(InputError, match="this daemon would fail on purpose"):
        planned_faults({"CTRAIN_FAULTS": "commit:before=kill"})
    allowed = {"CTRAIN_FAULTS": "commit:before=kill", "CTRAIN_FAULTS_ALLOWED": "yes"}
    assert isinstance(planned_faults(allowed), Faults)

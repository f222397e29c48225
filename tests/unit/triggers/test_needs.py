"""What a condition lacks: the monitors that must be BREACHED yet, or the time that it must last yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrain.domain import Decision, MonitorName, Outcome, Status, TriggerName, TriggerState, Verdict
from ctrain.policy.triggers import AllOf, AnyOf, AtLeast, Condition
from ctrain.queries.needs import needs_of
from ctrain.triggers.reasons import condition_evidence

AS_OF = datetime(2024, 1, 1, 12, tzinfo=UTC)
NAMES = ("a", "b", "c")
ALL, ANY = AllOf(all=NAMES), AnyOf(any=NAMES)
TWO = AtLeast(at_least=2, of=NAMES)
LASTING = AnyOf(**{"any": NAMES, "for": timedelta(hours=3)})
A, B, C = (f"{name} must be BREACHED (it is OK: 1, threshold 2)" for name in NAMES)


def needs(condition: Condition, *breached: str, met_since: datetime | None = None) -> tuple[str, ...]:
    verdicts = {
        MonitorName(name): Verdict(
            MonitorName(name),
            as_of=AS_OF,
            status=Status.BREACHED if name in breached else Status.OK,
            value=1.0,
            threshold=2.0,
            n=10,
            reason="",
        )
        for name in NAMES
    }
    state = TriggerState(TriggerName("t"), met_since=met_since, as_of=AS_OF)
    evidence = condition_evidence(condition, state, verdicts)
    return needs_of(Decision(TriggerName("t"), Outcome.NOT_MET, "", evidence=evidence))


@pytest.mark.parametrize(
    ("condition", "breached", "needed"),
    [
        (ALL, (), (A, B, C)),
        (ALL, ("b",), (A, C)),
        (ANY, (), (f"1 of 3: {A} or {B} or {C}",)),
        (TWO, (), (f"2 of 3: {A} or {B} or {C}",)),
        (TWO, ("c",), (f"1 of 2: {A} or {B}",)),
        (ANY, ("a",), ()),
    ],
    ids=["all", "all but one", "any", "two", "one more", "met since by a newer verdict"],
)
def test_no_more_monitors_are_named_than_must_breach(
    condition: Condition, breached: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    assert needs(condition, *breached) == needed


def test_what_has_begun_must_last() -> None:
    found = needs(LASTING, "a", met_since=AS_OF - timedelta(hours=1))
    assert found == ("it must last until 2024-01-01 14:00 UTC",)

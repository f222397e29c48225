from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ctrain.domain import Run
from ctrain.lifecycle.alphas import AlphasSpent, alphas_spent
from tests.support.runs import a_run

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def shadowed(days_ago: float, alpha: float) -> Run:
    begun = NOW - timedelta(days=days_ago)
    return a_run(details={"shadow": {"alpha": alpha, "begun_at": begun.isoformat()}})


def test_the_shadows_of_a_year_add_up() -> None:
    runs = [shadowed(0, 0.05), shadowed(100, 0.05), shadowed(364.9, 0.1), shadowed(365, 0.5), a_run(9)]
    assert alphas_spent(runs, NOW) == AlphasSpent(0.2, 3)


def test_promotions_without_evidence_are_counted_beside() -> None:
    """A challenger that a person has turned down is no promotion."""
    begun = {
        "alpha": 0.05,
        "begun_at": NOW.isoformat(),
        "won": "undecided at the deadline",
        "undecided": True,
    }
    promoted = a_run(details={"shadow": begun, "probation": {}})
    proven = a_run(details={"shadow": {**begun, "undecided": False}, "probation": {}})
    runs = [promoted, proven, a_run(details={"shadow": begun}), shadowed(1, 0.05)]
    assert alphas_spent(runs, NOW) == AlphasSpent(0.2, 4, undecided=1)


def test_without_a_shadow_nothing_is_spent() -> None:
    assert alphas_spent([], NOW) == AlphasSpent(0.0, 0)
    assert alphas_spent([a_run()], NOW) == AlphasSpent(0.0, 0)

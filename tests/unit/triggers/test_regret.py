"""Triggers on regret: the fresh loss from held-out and first rows, what begins anew, what is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ctrain.domain import Outcome, Phase, PolicyName, Run, RunId, TriggerName, Version
from ctrain.policy.triggers import Prices
from ctrain.queries.needs import needs_of
from ctrain.stats.regret import FreshLoss, Regret
from ctrain.triggers.regret import (
    MOST_POOLED,
    PaneLoss,
    RegretMemory,
    known_memory,
    last_purchase,
    memory_name,
    pane_losses,
)
from ctrain.triggers.regret_decision import price_of_training, regret_decision
from ctrain.triggers.training_time import TimeSpent

HOUR = timedelta(hours=1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAME = TriggerName("costly")
FRESH = FreshLoss(mean=0.1423, error=0.0031, rows=8000, blocks=40, t=2.43)
PRICES = Prices(error_price=0.5, training_price=40, currency="EUR", min_rows=100)


def panes(*means: float, rows: int = 20, first: int = 0) -> list[PaneLoss]:
    """A pane an hour from noon on."""
    start = NOON.timestamp()
    return [PaneLoss(start + 3600 * (first + number), rows, mean * rows) for number, mean in enumerate(means)]


def run(number: int, version: str | None = None) -> Run:
    return Run(
        id=RunId(f"churn-{number}"),
        policy=PolicyName("churn"),
        phase=Phase.REJECTED,
        trigger=NAME,
        reason="",
        actor="ctrain",
        policy_hash="",
        policy_text="",
        policy_path="",
        created_at=NOON,
        phase_since=NOON,
        challenger_version=Version(version) if version else None,
    )


def ageing(rows: int, more: float) -> RegretMemory:
    """A champion whose last rows each cost so much more than a fresh model's would."""
    regret = Regret(rows, rows * more, rows * more / 2, "2026-05-01T12:00:00+00:00")
    return RegretMemory("brier", fresh=FRESH, regret=regret)


def test_losses_are_summed_by_pane_and_what_cannot_be_judged_is_left_out() -> None:
    at = np.array(["2026-05-01T12:10", "2026-05-01T12:50", "2026-05-01T14:00"], dtype="datetime64[us]")
    assert pane_losses(at, np.array([0.25, 0.5, np.nan]), HOUR) == [PaneLoss(NOON.timestamp(), 2, 0.75)]
    assert pane_losses(at, np.full(3, np.nan), HOUR) == []


def test_enough_held_out_rows_make_the_fresh_loss() -> None:
    held_out = RegretMemory("brier").fresh_from(PRICES, panes(*[0.1, 0.3] * 5), HOUR)
    assert held_out.fresh is not None
    assert held_out.fresh.mean == pytest.approx(0.2)
    assert (held_out.fresh.rows, held_out.pool) == (200, ())


def test_too_few_held_out_rows_are_made_up_by_the_first_matured_ones() -> None:
    memory = RegretMemory("brier").fresh_from(PRICES, panes(*[0.1, 0.3] * 3), HOUR)
    assert memory.fresh is None
    memory = memory.after(PRICES, panes(0.1, 0.3, 0.9, first=30), HOUR)
    assert memory.fresh is not None
    assert memory.fresh.mean == pytest.approx(0.2)
    assert memory.regret.rows == 20
    assert memory.regret.since == (NOON + 32 * HOUR).isoformat()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (panes(0.1, 0.3, rows=20), "what a fresh model costs is known from 100 rows on, 40 have matured"),
        (panes(0.1, 0.3, rows=50), "what a fresh model costs is known from 8 panes on, 2 have matured"),
        (panes(*[0.0] * 9), "all 9 panes have the same loss, so nobody can tell how sure it is"),
    ],
    ids=["rows", "panes", "alike"],
)
def test_without_a_fresh_loss_it_is_unknown_and_never_fires(given: list[PaneLoss], why: str) -> None:
    decision = regret_decision(NAME, PRICES, RegretMemory("brier").after(PRICES, given, HOUR), 40.0)
    assert (decision.outcome, decision.reason) == (Outcome.NOT_MET, f"unknown: {why}")
    assert decision.evidence == {"regret": None, "price": 40.0, "currency": "EUR"}
    assert needs_of(decision) == ("what a fresh model costs must be known",)


def test_without_a_champion_it_is_unknown() -> None:
    assert regret_decision(NAME, PRICES, None, 40.0).reason == "unknown: there is no champion"


def test_panes_that_say_nothing_are_not_kept_for_ever() -> None:
    memory = RegretMemory("brier").fresh_from(PRICES, panes(*[0.0] * (MOST_POOLED + 50)), HOUR)
    assert len(memory.pool) == MOST_POOLED


def test_reason_and_evidence_say_what_was_lost_and_what_is_missing() -> None:
    decision = regret_decision(NAME, PRICES, ageing(5310, 0.0258), 40.0)
    assert decision.outcome is Outcome.NOT_MET
    assert decision.reason == (
        "36.83 of 40 EUR: 5,310 rows since 2026-05-01 12:00 UTC cost 0.0258 (at least 0.0139) more each "
        "than a fresh model (0.1423 +- 0.0031) would"
    )
    assert needs_of(decision) == ("3.17 EUR more of excess loss must be certain",)
    assert json.loads(json.dumps(decision.evidence))["fresh"]["mean"] == 0.1423


@pytest.mark.parametrize(
    ("memory", "reason"),
    [
        (
            RegretMemory("brier", fresh=FRESH),
            "0 of 40 EUR: rows cost no more than those of a fresh model (0.1423 +- 0.0031)",
        ),
        (
            ageing(200, 0.01),
            "0 of 40 EUR: 200 rows since 2026-05-01 12:00 UTC cost 0.0100 (which may be chance) more each "
            "than a fresh model (0.1423 +- 0.0031) would",
        ),
    ],
    ids=["none", "chance"],
)
def test_what_is_not_certain_counts_for_nothing(memory: RegretMemory, reason: str) -> None:
    decision = regret_decision(NAME, PRICES, memory, 40.0)
    assert (decision.outcome, decision.reason) == (Outcome.NOT_MET, reason)
    assert regret_decision(NAME, PRICES, memory, 0.0).outcome is Outcome.NOT_MET


def test_it_fires_once_the_price_is_reached() -> None:
    memory = ageing(5310, 0.0258)
    paid = regret_decision(NAME, PRICES, memory, 40.0).evidence["regret"]
    assert regret_decision(NAME, PRICES, memory, paid).outcome is Outcome.FIRED
    assert regret_decision(NAME, PRICES, memory, paid + 1e-9).outcome is Outcome.NOT_MET


def test_a_promotion_a_return_and_a_training_begin_anew() -> None:
    memory = ageing(5310, 0.0258).begun("brier", NOON, "churn-1")
    assert memory.regret == Regret()
    served = memory.after(PRICES, panes(0.9), HOUR)
    assert served.begun("brier", NOON, "churn-1") == served
    for since, training in ((NOON + HOUR, "churn-1"), (NOON, "churn-2")):
        anew = served.begun("brier", since, training)
        assert (anew.regret, anew.fresh) == (Regret(), FRESH)


def test_another_metric_has_another_fresh_loss() -> None:
    other = ageing(5310, 0.0258).begun("log_loss", NOON, "")
    assert (other.metric, other.fresh, other.regret) == ("log_loss", None, Regret())


def test_only_a_training_that_brought_a_model_was_a_purchase() -> None:
    assert last_purchase([run(3), run(2, "7"), run(1, "6")]) == "churn-2"
    assert last_purchase([run(1)]) == last_purchase([]) == ""


@pytest.mark.parametrize(
    ("spent", "price"),
    [
        ((), 60.0),
        ((TimeSpent(NOON, timedelta(minutes=10), True), TimeSpent(NOON, timedelta(minutes=50), False)), 10.0),
    ],
    ids=["none yet", "the median of those that trained"],
)
def test_a_rate_makes_a_price(spent: tuple[TimeSpent, ...], price: float) -> None:
    rated = Prices(error_price=1, training_rate=60, currency="USD")
    assert price_of_training(rated, spent, HOUR) == pytest.approx(price)


def test_a_price_is_a_price() -> None:
    assert price_of_training(PRICES, (), HOUR) == 40


def test_the_memory_survives_json_and_an_unknown_one_is_empty() -> None:
    for memory in (
        ageing(5310, 0.0258).begun("brier", NOON, "churn-1"),
        RegretMemory("brier", pool=tuple(panes(0.1, 1 / 3))),
    ):
        assert known_memory(json.loads(json.dumps(memory.to_json())), "brier") == memory
    assert known_memory({"version": 0}, "brier") == known_memory(None, "brier") == RegretMemory("brier")


def test_no_monitor_can_have_the_name_of_the_memory() -> None:
    assert " " in memory_name(NAME)

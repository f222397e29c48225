"""A trigger on regret in the engine: an ageing model is paid for until a training is cheaper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from ctrain.domain import Decision, Json, Outcome, Phase, TriggerName, Version
from ctrain.queries import FleetQueries
from ctrain.triggers.regret import memory_name
from tests.support.feeds import Turn
from tests.support.world import HOUR, POLICY, START, World

NAME = TriggerName("costly")
OLD, NEW = Version("1"), Version("2")
DEAR, UNPAYABLE = (f"training_price: {price}, min_rows: 300" for price in (12, 100000))
STORY = Turn(hours=22, at=12, shift=0.0)

Feed = Callable[[World], None]


def with_regret(prices: str) -> str:
    """The policy with nothing but this trigger to start a run."""
    before, after = POLICY.split("monitors:\n")[0], POLICY[POLICY.index("limits:") :]
    text = f"{before}triggers:\n  costly: {{regret: {{error_price: 0.5, currency: EUR, {prices}}}}}\n{after}"
    return text.replace("{last: 36h}", "{last: 6h}").replace(
        "min_duration: 1d, max_duration: 8d", "min_duration: 10h, max_duration: 4d"
    )


def fed(folder: Path, feed: Feed, policy_text: str) -> World:
    folder.mkdir(exist_ok=True)
    world = World(folder, policy_text=policy_text, rows_per_hour=30)
    world.install(2.0)
    feed(world)
    return world


def costly(world: World) -> list[Decision]:
    """Oldest first."""
    return [one for one in world.decisions() if one.trigger == NAME]


def memory(world: World, version: Version = OLD) -> Json:
    with world.store.read() as tx:
        found = tx.detector(world.name, memory_name(NAME), version)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> World:
    return fed(tmp_path_factory.mktemp("live"), STORY.hourly, with_regret(UNPAYABLE))


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> World:
    """All hours are there at the first look, and the price is reached in the midst of them."""
    return fed(tmp_path_factory.mktemp("fired"), STORY.backlog, with_regret(DEAR))


def test_the_first_rows_make_the_fresh_loss_and_the_turn_is_paid_for(live: World) -> None:
    found = memory(live)
    assert found["fresh"]["rows"] == 300
    assert found["fresh"]["mean"] == pytest.approx(0.16, abs=0.03)
    since = datetime.fromisoformat(found["regret"]["since"])
    assert START + HOUR * (STORY.at - 1) <= since <= START + HOUR * STORY.at
    newest = costly(live)[-1]
    assert newest.outcome is Outcome.NOT_MET
    assert " of 100,000 EUR: " in newest.reason
    with live.store.write() as tx:
        tx.save_policy(live.name, "hash", "", {}, live.clock.now())
    [told] = FleetQueries(live.store, live.clock, {}).why(live.name).decisions
    missing = 100_000 - newest.evidence["regret"]
    assert told.reason == newest.reason
    assert told.needs == (f"{missing:,.2f} EUR more of excess loss must be certain",)
    assert live.runs() == []


@pytest.mark.parametrize("feed", [STORY.backlog, STORY.restarted], ids=["one backlog", "restarts"])
def test_how_rows_come_in_changes_nothing(live: World, tmp_path: Path, feed: Feed) -> None:
    other = fed(tmp_path / "world", feed, with_regret(UNPAYABLE))
    assert memory(other) == memory(live)
    assert costly(other)[-1] == costly(live)[-1]


def test_it_fires_at_the_pane_that_reaches_the_price(fired: World, live: World) -> None:
    [decision] = [one for one in costly(fired) if one.outcome is Outcome.FIRED]
    assert decision.evidence["currency"] == "EUR"
    paid, row = decision.evidence["regret"], memory(live)["fresh"]["mean"]
    assert 12 <= paid < 12 + 0.5 * 30 * (1 - row)
    assert decision.reason.startswith(f"{paid:.2f} of 12 EUR: ")
    assert fired.runs()[0].reason == decision.reason


def test_it_fires_once_and_begins_anew_with_the_new_champion(fired: World, tmp_path: Path) -> None:
    world = fired.branch(tmp_path / "world")
    for _ in range(4):
        world.land_together(10)
        world.settle()
        world.open()
    [run] = world.runs()
    assert run.phase in (Phase.PROBATION, Phase.ACCEPTED)
    assert run.challenger_version == NEW
    with world.store.read() as tx:
        champion = tx.champion(world.name)
    assert champion is not None
    assert champion.version == NEW
    found = memory(world, NEW)
    assert found["since"] == champion.since_at.isoformat()
    assert found["fresh"]["mean"] < memory(world)["fresh"]["mean"] + 0.03
    newest = costly(world)[-1]
    assert newest.outcome is Outcome.NOT_MET
    assert newest.evidence["regret"] < 10


def test_a_training_that_brought_no_champion_was_paid_for_nonetheless(tmp_path: Path) -> None:
    strict = with_regret(DEAR).replace("roc_auc, min: 0.55", "roc_auc, min: 0.999")
    world = fed(tmp_path / "world", STORY.backlog, strict)
    assert world.runs()[0].phase is Phase.REJECTED
    [decision] = [one for one in costly(world) if one.outcome is Outcome.FIRED]
    world.live(2)
    assert memory(world)["training"] == world.runs()[0].id
    assert memory(world)["regret"]["rows"] == 60 < decision.evidence["rows"]


def test_without_a_champion_nothing_is_known(tmp_path: Path) -> None:
    world = World(tmp_path, policy_text=with_regret("training_rate: 60"))
    world.land_together(3)
    world.settle()
    [decision] = costly(world)
    assert (decision.outcome, decision.reason) == (Outcome.NOT_MET, "unknown: there is no champion")
    assert decision.evidence == {"regret": None, "price": 60.0, "currency": "EUR"}

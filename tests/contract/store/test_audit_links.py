"""The history page by page, as it lies in either database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ctrain.domain import Event, Phase, Request, RequestKind, RunId
from ctrain.domain.audit import BEGINNING, link_hash
from ctrain.queries.audit_chain import all_links, check_links
from ctrain.store import SqlStore
from tests.contract.store.builders import FLIGHTS, OTHER, START, run

SECOND = timedelta(seconds=1)


def tell(store: SqlStore, count: int = 6) -> None:
    with store.write() as tx:
        for number in range(count):
            policy = OTHER if number % 3 == 2 else FLIGHTS
            kind = "promoted" if number % 2 else "paused"
            evidence = {"share": 0.1 * number, "odd": float("nan"), "$key": "né"}
            run_id = RunId("run-1") if number == 4 else None
            tx.append_event(
                Event(policy, kind, START + number * SECOND, "ann", "said", run_id, "h", evidence)
            )


def test_an_empty_history_has_no_link(store: SqlStore) -> None:
    with store.read() as tx:
        assert (tx.links(), tx.newest_link(), tx.count_links()) == ([], None, 0)
        assert tx.links_between(None, None) is None
        assert check_links(all_links(tx)).intact


def test_links_come_in_order_and_follow_one_another(store: SqlStore) -> None:
    tell(store)
    with store.read() as tx:
        links = tx.links()
        assert tx.newest_link() == links[-1]
        assert [one.number for one in tx.links(links[1].number, 2)] == [one.number for one in links[2:4]]
        assert tx.count_links(links[3].number) == 2
        found = check_links(all_links(tx))
    previous = BEGINNING
    for link in links:
        assert link.prev_hash == previous
        previous = link.hash
        assert link.is_whole
        assert link_hash(link.prev_hash, link.content) == link.hash
    assert (found.events, found.head, found.intact) == (6, links[-1].hash, True)


def test_links_are_chosen_by_policy_run_kind_and_time(store: SqlStore) -> None:
    tell(store)
    with store.read() as tx:
        numbers = [one.number for one in tx.links()]

        def chosen(**wanted: object) -> list[int]:
            return [numbers.index(one.number) for one in tx.links(**wanted)]  # type: ignore[arg-type]  # by name

        assert chosen(policy=OTHER) == [2, 5]
        assert chosen(kinds=("promoted",)) == [1, 3, 5]
        assert chosen(policy=FLIGHTS, kinds=("promoted",)) == [1, 3]
        assert chosen(run_id=RunId("run-1")) == [4]
        assert chosen(until=numbers[1]) == [0, 1]
        assert tx.links_between(START + SECOND, START + 3 * SECOND) == (numbers[1], numbers[2])
        assert tx.links_between(START + 60 * SECOND, None) is None


def test_the_newest_links_come_first_a_page_at_a_time(store: SqlStore) -> None:
    tell(store)
    with store.read() as tx:
        numbers = [one.number for one in tx.links()]
        page = tx.newest_links(2)
        assert page == [tx.newest_link(), tx.links()[4]]
        assert [one.number for one in tx.newest_links(2, before=page[-1].number)] == [numbers[3], numbers[2]]
        assert [one.number for one in tx.newest_links(9, policy=OTHER)] == [numbers[5], numbers[2]]
        assert [one.number for one in tx.newest_links(9, run_id=RunId("run-1"))] == [numbers[4]]
        assert [one.number for one in tx.newest_links(9, kinds=("paused",), before=numbers[4])] == [
            numbers[2],
            numbers[0],
        ]


def test_the_newest_numbers_tell_that_something_came(store: SqlStore) -> None:
    with store.read() as tx:
        assert tx.newest_numbers() == (0, 0, 0, 0)
    tell(store, 2)
    with store.write() as tx:
        asked = tx.add_request(Request(0, FLIGHTS, RequestKind.TRIGGER, "ann", START))
    with store.read() as tx:
        assert tx.newest_numbers() == (tx.links()[-1].number, 0, 0, asked)


def test_what_came_since_is_about_the_policies_that_it_names(store: SqlStore) -> None:
    with store.write() as tx:
        tx.create_run(run(1, policy=OTHER))
    with store.read() as tx:
        assert tx.policies_since((0, 0, 0, 0)) == set()
    tell(store, 2)
    with store.read() as tx:
        before = tx.newest_numbers()
        assert tx.policies_since((0, 0, 0, 0)) == {FLIGHTS}
        assert tx.policies_since(before) == set()
    with store.write() as tx:
        tx.add_comparison_point(RunId("run-1"), Phase.SHADOWING, START, {"blocks": 1})
    with store.read() as tx:
        assert tx.policies_since(before) == {OTHER}
        before = tx.newest_numbers()
    with store.write() as tx:
        tx.add_request(Request(0, FLIGHTS, RequestKind.TRIGGER, "ann", START))
        tx.append_event(Event(OTHER, "paused", START, "ann", "said"))
    with store.read() as tx:
        assert tx.policies_since(before) == {FLIGHTS, OTHER}
        assert tx.policies_since(tx.newest_numbers()) == set()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no file data/\udcff.csv", "no file data/?.csv"),
        ("step 1\0", "step 1\N{REPLACEMENT CHARACTER}"),
        ("caf\xe9 \N{SNOWMAN}", "caf\xe9 \N{SNOWMAN}"),
    ],
)
def test_what_no_database_can_spell_neither_stops_a_write_nor_breaks_the_chain(
    store: SqlStore, said: str, kept: str
) -> None:
    with store.write() as tx:
        evidence = {"error": [said], "\udcfe": 1, "?": 2, "z": float("nan")}
        tx.append_event(Event(FLIGHTS, "failed", START, said, said, None, "h", evidence))
        tx.append_event(Event(FLIGHTS, "fired", START, "ann", "next"))
        tx.create_run(run(reason=said, details={"error": said}))
    with store.read() as tx:
        assert check_links(all_links(tx)).intact
        assert check_links(all_links(tx)).intact
        assert (tx.events()[1].message, tx.events()[1].actor) == (kept, kept)
        [found] = tx.runs()
        assert (found.reason, found.details) == (kept, {"error": said.replace("\udcff", "?")})

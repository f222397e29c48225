"""How open pages hear of changes: one look for all of them, and none when no page is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ctrain.errors import TransientError
from ctrain.web.console.live import Pulse

Numbers = tuple[int, ...]


class Looks:
    """What the store says, look by look; the last one for ever."""

    def __init__(self, *numbers: Numbers | None) -> None:
        self.numbers, self.count = list(numbers), 0

    def __call__(self) -> Numbers:
        found = self.numbers[min(self.count, len(self.numbers) - 1)]
        self.count += 1
        if found is None:
            raise TransientError("away")
        return found


async def heard(pulse: Pulse, lines: int, policy: str = "") -> list[str]:
    """The first lines that a page hears, which then goes away."""
    stream = pulse.listen(policy)
    found = [(await anext(stream)).strip() for _ in range(lines)]
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator, as a response closes it
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


def listened(pulse: Pulse, pages: int, lines: int) -> Sequence[list[str]]:
    async def listen() -> Sequence[list[str]]:
        return await asyncio.gather(*(heard(pulse, lines) for _ in range(pages)))

    return asyncio.run(listen())


def test_every_page_hears_of_a_change_and_of_a_database_that_is_away() -> None:
    looks = Looks((1, 0), (1, 0), (2, 0), None, (2, 1))
    pages = listened(Pulse(looks, every_seconds=0.001), 3, 4)
    change = "event: change\ndata: {}"
    assert pages == [["retry: 3000", change.format("2.0"), "event: away\ndata:", change.format("2.1")]] * 3


def test_a_page_about_a_policy_hears_of_that_alone() -> None:
    looks = Looks((1,), (1,), (2,), (3,), None, (4,))
    asked: list[Numbers] = []

    def since(numbers: Numbers) -> frozenset[str]:
        asked.append(numbers)
        return frozenset({"views"} if numbers == (1,) else {"clicks"})

    pulse = Pulse(looks, since, every_seconds=0.001)

    async def listen() -> Sequence[list[str]]:
        return await asyncio.gather(heard(pulse, 5), heard(pulse, 4, "clicks"), heard(pulse, 3, "sales"))

    change, away = "event: change\ndata: {}".format, "event: away\ndata:"
    retry = "retry: 3000"
    assert list(asyncio.run(listen())) == [
        [retry, change(2), change(3), away, change(4)],
        [retry, change(3), away, change(4)],
        [retry, away, change(4)],
    ]
    assert asked == [(1,), (2,)]


def test_a_fault_that_nobody_expected_is_logged_once_and_ends_nothing() -> None:
    looks, logged = Looks((1,), (1,), (2,)), []

    def look() -> Numbers:
        numbers = looks()
        if 2 <= looks.count <= 4:
            raise RuntimeError("odd")
        return numbers

    pulse = Pulse(
        look,
        every_seconds=0.001,
        log=lambda event, **fields: logged.append((event, "odd" in fields["traceback"])),
    )
    (page,) = listened(pulse, 1, 3)
    assert page == ["retry: 3000", "event: away\ndata:", "event: change\ndata: 2"]
    assert logged == [("live_updates_interrupted", True)]


def test_silence_is_kept_open_by_comments() -> None:
    assert listened(Pulse(Looks((1,)), every_seconds=0.001, beat_seconds=0.001), 1, 2) == [
        ["retry: 3000", ": still here"]
    ]


def test_a_page_that_is_not_welcome_any_more_hears_nothing_more() -> None:
    answers = [True, False]
    pulse = Pulse(Looks((1,)), every_seconds=0.001, beat_seconds=0.001)

    async def listen() -> list[str]:
        return [line.strip() async for line in pulse.listen(welcome=lambda: answers.pop(0))]

    assert asyncio.run(listen()) == ["retry: 3000", ": still here"]
    assert (answers, pulse.listeners) == ([], {})


def test_nothing_is_looked_at_while_no_page_is_open() -> None:
    looks = Looks((1,), (2,), (3,))
    pulse = Pulse(looks, every_seconds=0.001)

    async def come_and_go() -> tuple[int, list[str]]:
        await heard(pulse, 2)
        assert pulse._looking is not None
        await until(pulse._looking.done)
        count = looks.count
        await asyncio.sleep(0)
        assert (looks.count, pulse.listeners) == (count, {})
        looks.numbers.append((count + 1,))
        looks.numbers.append((count + 2,))
        return count, await heard(pulse, 2)

    _, again = asyncio.run(come_and_go())
    assert again[1].startswith("event: change")

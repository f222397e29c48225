from __future__ import annotations

import threading
from functools import partial
from typing import NoReturn

import pytest

from ctrain.backtest.together import AbandonedError, Together


def fail(why: str) -> NoReturn:
    raise ValueError(why)


def goes_on(together: Together, seen: list[str]) -> NoReturn:
    """A part that ends by nothing but being abandoned."""
    while True:
        try:
            together.go_on()
        except AbandonedError:
            seen.append("abandoned")
            raise


def test_parts_are_done_at_a_time() -> None:
    met = threading.Barrier(2)
    with Together(2) as together:
        parts = [together.begin(partial(met.wait, 60)) for _ in range(2)]
        assert {together.result(part) for part in parts} == {0, 1}
    assert not together.abandoned


def test_one_worker_does_them_in_order() -> None:
    done: list[int] = []
    with Together(1) as together:
        for number in range(5):
            together.begin(partial(done.append, number))
    assert done == list(range(5))


def test_what_fails_first_ends_the_rest_and_is_what_is_raised() -> None:
    seen: list[str] = []
    with Together(2) as together:
        endless = together.begin(partial(goes_on, together, seen))
        together.begin(partial(fail, "first"))
        too_late = together.begin(partial(fail, "second"))
        for part in (endless, too_late):
            with pytest.raises(ValueError, match="first"):
                together.result(part)
    assert seen == ["abandoned"]


def test_leaving_by_an_exception_ends_what_is_at_work() -> None:
    seen: list[str] = []
    together = Together(1)
    begun = together.begin(partial(goes_on, together, seen))
    waiting = together.begin(partial(seen.append, "begun"))
    with pytest.raises(KeyboardInterrupt), together:
        raise KeyboardInterrupt
    assert isinstance(begun.exception(), AbandonedError)
    assert waiting.cancelled()
    assert "begun" not in seen

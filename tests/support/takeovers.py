"""Somebody else moves the champion alias, at any moment of a move of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctrain.domain import ModelVersion, Version
from tests.support.slopes import slope_model
from tests.support.stories import CHALLENGER
from tests.support.world import World

FOREIGN = Version("99")
Moment = tuple[str, str, tuple[str, ...]]
"""The call of a port, before or after it, and words that its arguments must hold."""

INTENT = ("store.commit", "after", ("intent",))
BEFORE_PREVIOUS = ("registry.set_alias", "before", ("previous_champion",))
AFTER_PREVIOUS = ("registry.set_alias", "after", ("previous_champion",))
BEFORE_RE_READ = ("registry.version", "after", (CHALLENGER,))
AFTER_CHAMPION = ("registry.set_alias", "after", ("champion",))


def take_over(world: World) -> None:
    """Someone else registers a model and makes it the champion."""
    world.registry.versions[FOREIGN] = ModelVersion("clicks", FOREIGN, "models:/clicks/99", None)
    world.registry.models[FOREIGN] = slope_model(2.0)
    world.registry.digests[FOREIGN] = "digest-99"
    world.registry.aliases["champion"] = FOREIGN


def has_intent(world: World) -> bool:
    with world.store.read() as tx:
        return tx.open_intent(world.name) is not None


def when(world: World, moment: Moment, act: Callable[[World], None]) -> list[str]:
    """Let something happen once, at this moment; the list tells that it did."""
    happened: list[str] = []

    def listen(call: str, at: str, arguments: tuple[Any, ...]) -> None:
        if call == "store.commit" and at == "after":
            arguments = ("intent",) if has_intent(world) else ()
        if not happened and (call, at) == moment[:2] and set(moment[2]) <= set(arguments):
            happened.append(call)
            act(world)

    world.listener = listen
    return happened

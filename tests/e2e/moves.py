"""When somebody else moves the champion alias, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.e2e.branches import ELSEWHERE, Move
from tests.e2e.faulty_daemon import (
    AFTER_CHAMPION,
    AFTER_PREVIOUS,
    BEFORE_PREVIOUS,
    DIGEST_READ,
    PROBATION_POINT,
    ROWS_WRITTEN,
    TRAINED,
    TRAINING_STARTED,
)
from tests.e2e.story import At

AWAY = {"champion": ELSEWHERE}
NOW = f"champion={ELSEWHERE}"

WHILE_DOWN: Mapping[str, Move] = {
    "ingest": Move(ROWS_WRITTEN, AWAY),
    "training": Move(TRAINING_STARTED, AWAY),
    "between-the-aliases": Move(AFTER_PREVIOUS, AWAY),
    "before-the-commit": Move(AFTER_CHAMPION, AWAY),
    "probation": Move(PROBATION_POINT, AWAY),
}
"""The daemon was killed at this point; the alias moves before it starts again."""

UNDER_OUR_HANDS: Mapping[str, Move] = {
    "while-rows-are-committed": Move(ROWS_WRITTEN, fault=At(ROWS_WRITTEN, act=NOW)),
    "while-training-is-collected": Move(TRAINING_STARTED, fault=At(TRAINED, act=NOW)),
    "before-the-first-alias": Move(AFTER_PREVIOUS, {"previous_champion": None}, At(BEFORE_PREVIOUS, act=NOW)),
    "before-the-second-alias": Move(AFTER_PREVIOUS, fault=At(DIGEST_READ, act=NOW)),
    "after-the-second-alias": Move(AFTER_PREVIOUS, fault=At(AFTER_CHAMPION, act=NOW)),
    "while-a-block-is-committed": Move(PROBATION_POINT, fault=At(PROBATION_POINT, act=NOW)),
}
"""The alias moves while the daemon is at work at this point."""

MOVES = {**WHILE_DOWN, **UNDER_OUR_HANDS}
EXPECTED_PREVIOUS = {"probation": "1", "while-a-block-is-committed": "1"}
"""The promotion was done: the previous champion stays on record. Everywhere else our own write is undone."""
IN_PROMOTION = frozenset(
    {
        "between-the-aliases", "before-the-commit", "before-the-first-alias",
        "before-the-second-alias", "after-the-second-alias",
    }
)  # fmt: skip

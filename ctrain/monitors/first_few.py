"""The first few of many sentences, for a reason that a person reads."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(sentences: Sequence[str], most: int, what: str = "more") -> list[str]:
    """Return at most ``most`` of the sentences, and behind them how many there are besides.

    >>> first_few(["a rose", "b rose", "c rose"], 2)
    ['a rose', 'b rose', 'and 1 more']
    >>> first_few(["a rose", "b rose"], 2)
    ['a rose', 'b rose']
    """
    left = len(sentences) - most
    return [*sentences[:most], f"and {left} {what}"] if left > 0 else list(sentences)

"""Parts of a policy that are understood but cannot be run by this version of ctrain."""

from __future__ import annotations

from collections.abc import Iterator

from ctrain.policy.models import (
    Policy,
)


def unavailable_parts(policy: Policy) -> list[str]:
    """Return one message for each part that cannot be run, naming its key; empty: all of it can."""
    return [f"{key}: {part} is not available in this version of ctrain" for key, part in _parts(policy)]


def _parts(policy: Policy) -> Iterator[tuple[str, str]]:
    yield from _training_parts(policy)


def _training_parts(policy: Policy) -> Iterator[tuple[str, str]]:
    train = policy.train
    if train.launcher.type not in {"process", "dask"}:
        yield "train.launcher.type", f"the launcher {train.launcher.type}"

"""What of a policy is searched: thresholds, windows and cooldowns that its file writes down.

Only what decides when to train is searched. What protects production (gates, shadow, probation, budget,
blackout), what the data are and what a training does stay as they are, so that all trials share trainings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from ctrain.backtest.history import as_instant
from ctrain.engine.instants import ceil_to
from ctrain.errors import InputError, PolicyError
from ctrain.policy.fields import format_duration, parse_duration
from ctrain.policy.files import parse_policy
from ctrain.policy.metrics import HIGHER_IS_BETTER
from ctrain.policy.triggers import AllOf, AnyOf, AtLeast
from ctrain.policy.words import shown_key
from ctrain.rows.instants import as_microseconds, microseconds_of

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node, ScalarNode

    from ctrain.backtest.history import History
    from ctrain.backtest.strategies import Plan
    from ctrain.policy.document import KeyPath
    from ctrain.policy.files import LoadedPolicy
    from ctrain.policy.models import Policy

SEARCH_SHARE = 0.7
"""Of the rows, which the search sees."""
FEWEST_ROWS = 200
"""Labelled rows that each part of history needs."""

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
CLOSE_FACTORS = (0.8, 0.9, 1.0, 1.1, 1.25)
"""Of bounds of a metric: what is far from its usual values is always or never met."""
PANES = (0, 1, 2, 4)
"""Values instead of a duration of nothing."""
BOUNDS = ("above", "below")
OF_MONITORS = {
    "drift": ("window", "fdr", "min_effect"),
    "domain_classifier": ("window", "alpha"),
    "change": ("run_length", "threshold", "hold"),
    "quality": (
        "window", "max_null_rate", "unseen_categories", "max_type_errors", "max_out_of_range",
        "max_duplicates",
    ),
    "performance": ("window", *BOUNDS),
    "estimated_performance": ("window", *BOUNDS),
    "volume": ("window", "min_rows", "max_rows"),
}  # fmt: skip
OF_TRIGGERS = ("for", "hold", "every", "new_labels")
OF_LIMITS = (("cooldown",), ("min_new_labels",), ("backoff", "factor"), ("backoff", "max"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of the file and what may stand in its place, as texts of YAML in ascending order."""

    path: KeyPath
    choices: tuple[str, ...]
    written: int
    """Position of what the file says."""

    @property
    def name(self) -> str:
        return shown_key(self.path)


Values = tuple[int, ...]
"""Positions of the chosen values, in the order of the parameters."""


def search_space(loaded: LoadedPolicy, environ: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Return what can be searched; every value alone leaves the policy valid.

    Values that come from the environment, or stand at an anchor, are left alone.

    Raises
    ------
    InputError
        when the file writes nothing down that can be searched.
    """
    found = []
    for path in _paths(loaded.policy):
        node = _node_at(loaded.text, path)
        if node is None:
            continue
        candidates = _candidates(loaded.policy, path, node.value)
        usable = [one for one in candidates if one == node.value or _is_valid(loaded, path, one, environ)]
        if len(usable) > 1:
            found.append(Parameter(path, tuple(usable), usable.index(node.value)))
    if not found:
        raise InputError(
            f"{loaded.path}: there is nothing to tune: what is needed is a trigger on monitors whose window "
            "or threshold the file writes down, or limits.cooldown"
        )
    return tuple(found)


def as_written(space: Sequence[Parameter]) -> Values:
    """The values that the file has."""
    return tuple(one.written for one in space)


def changes(space: Sequence[Parameter], values: Values) -> dict[str, tuple[str, str]]:
    """What the file says and what is proposed instead, by key."""
    return {
        one.name: (one.choices[one.written], one.choices[value])
        for one, value in zip(space, values, strict=True)
        if value != one.written
    }


def with_values(text: str, space: Sequence[Parameter], values: Values) -> str:
    """Return the text of a policy with other values; comments and layout stay."""
    paths = {
        one.path: one.choices[value] for one, value in zip(space, values, strict=True) if value != one.written
    }
    return _replaced(text, paths)


def split_history(history: History, plan: Plan, policy: Policy) -> datetime:
    """Return the end of the part that is searched, which is where the rest begins.

    Raises
    ------
    InputError
        when a part would have too few labelled rows.
    """
    known = history.known
    labelled = microseconds_of(known.filter(pc.is_valid(known["label"]))["event_at"].combine_chunks())
    matures = policy.data.labels.matures_after

    def between(start: datetime, end: datetime) -> int:
        first, after = np.searchsorted(labelled, [as_microseconds(start), as_microseconds(end - matures)])
        return int(after - first)

    start, end = np.searchsorted(labelled, [as_microseconds(plan.starts_at), as_microseconds(plan.ends_at)])
    split_at = plan.ends_at
    if end > start:
        split_at = ceil_to(as_instant(labelled[int(start + (end - start) * SEARCH_SHARE)]), policy.data.pane)
    first, rest = between(plan.starts_at, split_at), between(split_at, plan.ends_at)
    if first < FEWEST_ROWS or rest < FEWEST_ROWS:
        raise InputError(
            f"history is too short to split: of the rows whose labels mature in time {max(first, 0)} lie "
            f"before {split_at.isoformat()} and {max(rest, 0)} after it; tuning needs {FEWEST_ROWS} on "
            "either side"
        )
    return split_at


def _paths(policy: Policy) -> Iterator[KeyPath]:
    """Keys that decide when to train, whether the file writes them down or not."""
    heard = set()
    for trigger in policy.triggers.values():
        if isinstance(trigger, AllOf | AnyOf | AtLeast):
            heard |= set(trigger.monitors)
    for name, monitor in policy.monitors.items():
        if name in heard:
            yield from (("monitors", name, key) for key in OF_MONITORS.get(monitor.type, ()))
    for name in policy.triggers:
        yield from (("triggers", name, key) for key in OF_TRIGGERS)
    yield from (("limits", *keys) for keys in OF_LIMITS)


def _candidates(policy: Policy, path: KeyPath, written: str) -> list[str]:
    """Texts that could stand in place of ``written``, which is among them, in ascending order."""
    try:
        duration = parse_duration(written)
    except ValueError:
        return _numbers(policy, path, written)
    return _durations(duration, policy.data.pane, written)


def _durations(duration: timedelta, pane: timedelta, written: str) -> list[str]:
    """Whole panes; what the file says stays as it is written."""
    if duration:
        found = {max(round(duration * factor / pane), 1) * pane for factor in FACTORS}
    else:
        found = {pane * panes for panes in PANES}
    texts = {value: format_duration(value) for value in found} | {duration: written}
    return [texts[value] for value in sorted(texts)]


def _numbers(policy: Policy, path: KeyPath, written: str) -> list[str]:
    try:
        number = float(written.replace("_", ""))
    except ValueError:
        return [written]
    whole = all(sign not in written for sign in ".eE")
    values = _around_bound(policy, path, number) if path[-1] in BOUNDS else [number * one for one in FACTORS]
    texts = {_rounded(value, whole and path[-1] not in BOUNDS): _text(value, whole and path[-1] not in BOUNDS)
             for value in values}  # fmt: skip
    texts[number] = written
    return [texts[value] for value in sorted(texts)]


def _around_bound(policy: Policy, path: KeyPath, bound: float) -> list[float]:
    """Of a metric whose best is 1 the distance from 1 is scaled, of a loss the loss."""
    metric = getattr(policy.monitors[str(path[1])], "metric", "")
    if metric in HIGHER_IS_BETTER:
        return [1 - (1 - bound) * factor for factor in FACTORS]
    return [bound * factor for factor in CLOSE_FACTORS]


def _rounded(value: float, whole: bool) -> float:
    return float(round(value)) if whole else float(f"{value:.3g}")


def _text(value: float, whole: bool) -> str:
    return str(round(value)) if whole else str(float(f"{value:.3g}"))


def _is_valid(loaded: LoadedPolicy, path: KeyPath, value: str, environ: Mapping[str, str]) -> bool:
    try:
        parse_policy(_replaced(loaded.text, {path: value}), loaded.path, environ)
    except PolicyError:
        return False
    return True


def _replaced(text: str, values: Mapping[KeyPath, str]) -> str:
    """Return ``text`` with these values at these keys, from the last to the first."""
    places = []
    for path, value in values.items():
        node = _node_at(text, path)
        assert node is not None
        places.append((node.start_mark.index, node.end_mark.index, value))
    for start, end, value in sorted(places, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _node_at(text: str, path: KeyPath) -> ScalarNode | None:
    """The plain value at a key; None where there is none, or where other keys may share it."""
    from ruamel.yaml.nodes import ScalarNode

    node = _root(text)
    for key in path:
        if node is None or node.anchor or not isinstance(node.value, list):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    if not isinstance(node, ScalarNode) or node.anchor or "${" in node.value:
        return None
    return node


def _root(text: str) -> Node | None:
    from ruamel.yaml import YAML

    parser = YAML(typ="safe", pure=True)
    parser.composer.warn_double_anchors = False  # the policy has been read already
    root: Node | None = parser.compose(text)
    return root

"""Whatever is written: a policy, or a PolicyError whose every line says file, line and fault."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctrain.errors import PolicyError
from ctrain.policy.document import read_document
from ctrain.policy.files import LoadedPolicy, parse_policy
from tests.support.examples import fuzzed, promptly

FILES = Path(__file__).parent.parent / "policy_files"
EXAMPLE = (FILES / "example.yaml").read_text()
VALUES = read_document(EXAMPLE).values
ENVIRON = {"CTRAIN_NOTIFY_URL": "https://chat.example"}
PROBLEM = re.compile(r"policy\.yaml:\d+: .+", re.DOTALL)

words = st.sampled_from(["1h", "7d", "0s", "ks", "brier", "inputs", "${HOME}", "${", "*", "UTC", "auto"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
keys = st.sampled_from(["type", "from", "all", "of", "cron", "metric", "min"]) | st.text(max_size=5)
yamlish = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
PIECES = """{|}|[|]|: |- |&a |*a|!!int |!<x> |? |'|"|\\x|#|<<: |policy|...|@|`|0x|=|~|,| |  |> """
fragments = st.sampled_from(
    [
        *PIECES.split("|"),
        "|",
        "\n",
        "\t",
        "---\n",
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "version: 1\n",
        "\ufeff",
        "\x85",
    ]
)
once = fuzzed(120)


def outcome(text: str) -> LoadedPolicy | None:
    try:
        return promptly(lambda: parse_policy(text, Path("policy.yaml"), ENVIRON))
    except PolicyError as error:
        problems = error.problems
    assert problems
    assert all(PROBLEM.fullmatch(problem) for problem in problems), problems
    return None


def places(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(values, dict):
        for key, value in values.items():
            found += places(value, (*path, key))
    elif isinstance(values, list):
        for position, value in enumerate(values):
            found += places(value, (*path, position))
    return found


@once
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    assert outcome(text) is None


@once
@given(st.lists(fragments, max_size=20).map("".join))
def test_any_punctuation(text: str) -> None:
    assert outcome(text) is None


@once
@given(st.integers(0, len(EXAMPLE)), st.integers(0, 30), st.lists(fragments, max_size=3).map("".join))
def test_a_policy_with_a_piece_replaced(start: int, length: int, piece: str) -> None:
    text = EXAMPLE[:start] + piece + EXAMPLE[start + length :]
    loaded = outcome(text)
    assert loaded is None or loaded.text == text


@once
@given(st.sampled_from(places(VALUES)), yamlish)
def test_a_policy_with_any_value_anywhere(path: tuple[Any, ...], value: Any) -> None:
    values = copy.deepcopy(VALUES)
    inner = values
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    loaded = outcome(json.dumps(values))
    if loaded is not None:
        assert parse_policy(loaded.text, loaded.path, ENVIRON).hash == loaded.hash

"""Stored JSON has one spelling per value, and gives the value back exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.domain import Status
from ctrain.store.canonical import canonical_text, parsed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["$float", "$$float", "$"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_values_come_back_exactly(value: Any) -> None:
    assert repr(_sorted(parsed(canonical_text(value)))) == repr(_sorted(value))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), JSON, max_size=5), st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical_text({key: value[key] for key in keys}) == canonical_text(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": (1, 2.0)}, '{"a":[1,2.0],"b":1}'),
        (0.1 + 0.2, "0.30000000000000004"),
        (-0.0, "-0.0"),
        (math.nan, '{"$float":"nan"}'),
        ([math.inf, -math.inf], '[{"$float":"inf"},{"$float":"-inf"}]'),
        ({"$float": "nan"}, '{"$$float":"nan"}'),
        ("é\n", '"é\\n"'),
        (Status.OK, '"OK"'),
        (MappingProxyType({"x": None}), '{"x":null}'),
        (np.int64(3), "3"),
        (np.float64(math.nan), '{"$float":"nan"}'),
        (np.bool_(True), "true"),
    ],
)
def test_every_value_has_one_spelling(value: object, text: str) -> None:
    assert canonical_text(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"at": datetime(2013, 1, 1, tzinfo=UTC)}, "datetime cannot be stored as JSON"),
        ([{1, 2}], "set cannot be stored as JSON"),
        ({1: "x"}, "a key of stored JSON must be a string, got 1"),
    ],
)
def test_what_has_no_spelling_is_refused(value: Mapping[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        canonical_text(value)

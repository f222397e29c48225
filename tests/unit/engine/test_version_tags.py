"""What stands beside a version in the registry, and was not written by ctrain."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ctrain.domain import Window
from ctrain.engine.version_tags import tagged_importance, training_window

START, CUT_OFF = "2024-01-01T00:00:00+00:00", "2024-02-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("start", "cut_off", "expected"),
    [
        (START, CUT_OFF, Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))),
        (START, "", None),
        (START, "soon", None),
        (START, "2024-02-01", None),
        (START, "2024-02-01T00:00:00", None),
        (CUT_OFF, START, None),
        (START, "9999-12-31T23:59:59-01:00", None),
        ("0001-01-01T00:00:00+14:00", CUT_OFF, None),
    ],
)
def test_a_training_window_has_two_instants(start: str, cut_off: str, expected: Window | None) -> None:
    assert training_window({"ctrain.window_start": start, "ctrain.cut_off": cut_off}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"x": 0.25, "y": 0.75}', {"x": 0.25, "y": 0.75}),
        ('{"x": NaN}', {}),
        ('{"x": -1}', {}),
        ('{"x": "much"}', {}),
        ('{"x": null}', {}),
        ("[1]", {}),
        ("[1", {}),
        ("[" * 100_000, {}),
        ("1", {}),
    ],
)
def test_an_importance_is_a_share_of_each_feature(text: str, expected: dict[str, float]) -> None:
    assert tagged_importance({"ctrain.importance": text}) == expected

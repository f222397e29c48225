"""What change monitors watch, as values of rows and of panes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import MonitorName
from ctrain.engine.watched_values import Rows, first_memories, needs_labels, stream_of, watched_values
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy
from ctrain.policy.monitors import ChangeMonitor

MINIMAL = (Path(__file__).parent.parent / "policy_files" / "minimal.yaml").read_text()
NAN = float("nan")


def policy(**changed: str) -> Policy:
    text = MINIMAL
    for old, new in changed.items():
        text = text.replace(f"{old}: ", f"{old}: {new} # ", 1)
    return parse_policy(text, Path("churn.yaml"), {}).policy


def monitor(on: Any = "loss", **changed: Any) -> ChangeMonitor:
    return ChangeMonitor(type="change", hold="1d", min_rows=30, on=on, **changed)


def rows(labels: list[float], scores: Any, minutes: int = 20, **columns: list[Any]) -> Rows:
    """A row every so many minutes from midnight on."""
    midnight = datetime(2026, 5, 1, tzinfo=UTC)
    at = [midnight + timedelta(minutes=minutes) * number for number in range(len(labels))]
    table = pa.table({"event_at": pa.array(at, pa.timestamp("us", "UTC")), **columns})
    return Rows(table, np.array(labels), np.array(scores))


FOUR = rows([1, 0, NAN, 0], [0.5, 0.5, 0.9, 0.1], age=[30, None, 50, 60], country=["a", None, "b", "a"])


def values(spec: ChangeMonitor, given: Rows = FOUR, names: tuple[str, ...] | None = None) -> list[float]:
    found = np.asarray(watched_values(policy(), spec, given, names).values)
    return [round(float(one), 6) for one in found]


def test_losses_are_those_of_labelled_rows() -> None:
    assert values(monitor()) == [0.25, 0.25, 0.01]
    found = watched_values(policy(), monitor(by="country"), FOUR)
    assert found.segments == ["a", "null", "a"]
    assert len(found.event_at) == 3


def test_predictions_and_features_wait_for_no_label() -> None:
    assert values(monitor("prediction")) == [0.5, 0.5, 0.9, 0.1]
    found = values(monitor({"feature": "age"}))
    assert found[0::2] == [30, 50]
    assert np.isnan(found[1])
    assert [
        needs_labels(monitor(on)) for on in ("loss", "prediction", {"feature": "age"}, {"metric": "brier"})
    ] == [
        True,
        False,
        False,
        True,
    ]


def test_of_several_classes_the_prediction_is_the_greatest_probability() -> None:
    given = rows([0, 1, 2], [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [NAN, NAN, NAN]])
    found = values(monitor("prediction"), given)
    assert found[:2] == [0.5, 0.8]
    assert np.isnan(found[2])


def test_a_metric_has_one_value_for_each_pane_with_rows() -> None:
    given = rows([1, 0, NAN, NAN, NAN, NAN, 1, 1], [0.5, 0.5, 0, 0, 0, 0, 0.5, 0.9])
    spec = monitor({"metric": "brier"})
    assert values(spec, given) == [0.25, 0.13]
    at = watched_values(policy(), spec, given).event_at
    assert [str(one)[11:16] for one in np.asarray(at)] == ["00:00", "02:00"]


def test_a_metric_that_is_not_defined_in_a_pane_is_no_number() -> None:
    assert np.isnan(values(monitor({"metric": "roc_auc"}, direction="down"), rows([1, 1], [0.2, 0.3]))).all()


def test_a_metric_by_segment_has_one_value_for_each_and_one_for_the_rest() -> None:
    given = rows([1, 1, 0, 0], [0.5, 0.9, 0.5, 0.1], minutes=10, country=["a", "a", "b", None])
    spec = monitor({"metric": "brier"}, by="country")
    found = watched_values(policy(), spec, given, ("a",))
    assert dict(zip(found.segments or (), values(spec, given, ("a",)), strict=True)) == {"a": 0.13, "": 0.13}


@pytest.mark.parametrize(
    ("on", "what", "unit", "bounds"),
    [
        ("loss", "loss", "row", (0, 1)),
        ("prediction", "prediction", "row", (0, 1)),
        ({"feature": "age"}, "age", "row", None),
        ({"metric": "brier"}, "brier", "pane", (0, 1)),
    ],
)
def test_how_values_are_called_and_bounded(on: Any, what: str, unit: str, bounds: Any) -> None:
    stream = stream_of(policy(), monitor(on))
    assert (stream.what, stream.unit, stream.bounds) == (what, unit, bounds)


def test_no_rows_have_no_values() -> None:
    nothing = rows([], [])
    for on in ("loss", "prediction", {"metric": "brier"}):
        assert values(monitor(on), nothing) == []


def test_held_out_rows_make_every_memory() -> None:
    many = rows([0.0, 1.0] * 300, [0.3, 0.6] * 300, age=[20] * 600, country=["a"] * 600)
    memories = first_memories(policy(), many)
    assert list(memories) == [MonitorName("error")]
    assert memories[MonitorName("error")]["state"]["segments"][""]["baseline"]["n"] == 600


def test_held_out_rows_make_the_fresh_loss_of_a_trigger_on_regret() -> None:
    costly = "{regret: {error_price: 1, training_price: 9, currency: EUR}}"
    many = rows([0, 1] * 300, [0.2, 0.7] * 300, minutes=7)
    memory = first_memories(policy(weekly=costly), many)[MonitorName("trigger weekly")]
    assert memory["fresh"]["mean"] == pytest.approx((0.04 + 0.09) / 2)
    assert memory["fresh"]["rows"] == 600
    assert memory["until"] is None

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from pydantic import Field

from ctrain.policy.fields import Frozen
from ctrain.policy.files import parse_policy
from ctrain.policy.sharing import with_shared_parts

TEXT = (Path(__file__).parent.parent / "policy_files" / "minimal.yaml").read_text()


class Part(Frozen):
    value: object


class Whole(Frozen):
    part: Part
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = Field(default_factory=dict)


def test_policies_that_say_the_same_share_their_parts_and_others_do_not() -> None:
    one, same = (parse_policy(TEXT, Path(f"{name}.yaml"), {}).policy for name in ("a", "b"))
    changed = parse_policy(TEXT.replace("metric: brier", "metric: log_loss"), Path("c.yaml"), {}).policy
    assert one == same
    assert one.model is same.model
    assert one.probation is same.probation is changed.probation
    assert changed.model.metric == "log_loss"
    assert one.model.metric == "brier"


def test_parts_in_collections_are_shared() -> None:
    first = with_shared_parts(
        Whole(part=Part(value="x"), parts=(Part(value="y"),), named={"z": Part(value="y")})
    )
    second = with_shared_parts(Whole(part=Part(value="y")))
    assert first.parts[0] is first.named["z"] is second.part
    assert first.part is not second.part


def test_what_is_equal_but_looks_different_stays_apart() -> None:
    values = [with_shared_parts(Whole(part=Part(value=value))).part.value for value in (1, 1.0)]
    assert [repr(value) for value in values] == ["1", "1.0"]


def test_what_cannot_be_hashed_stays_as_it_is() -> None:
    one, other = (with_shared_parts(Whole(part=Part(value={"depth": 3}))) for _ in range(2))
    assert one == other
    assert one.part is not other.part


def test_a_part_that_nobody_has_any_more_is_gone() -> None:
    whole = with_shared_parts(Whole(part=Part(value="only here")))
    part = weakref.ref(whole.part)
    assert part() is whole.part
    del whole
    gc.collect()
    assert part() is None

"""Equal parts of policies are one object: a fleet of a thousand is mostly one policy over again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from weakref import WeakKeyDictionary, ref

from ctrain.policy.fields import Frozen

P = TypeVar("P", bound=Frozen)
_PARTS: WeakKeyDictionary[Frozen, ref[Frozen]] = WeakKeyDictionary()
"""Every part that somebody has, by what it says."""


def with_shared_parts(model: P) -> P:
    """Put parts that are there already in the place of equal ones, at every depth; return the model.

    Parts do not change, so that nobody can tell. What cannot be hashed, as free-form parameters, stays
    as it is.

    >>> from ctrain.policy.data import ModelSpec
    >>> class Pair(Frozen):
    ...     one: ModelSpec
    ...     other: ModelSpec
    >>> spec = {"name": "clicks", "task": "binary", "metric": "brier"}
    >>> pair = with_shared_parts(Pair(one=spec, other=spec))
    >>> pair.one is pair.other
    True
    """
    fields = model.__dict__
    for name, value in fields.items():
        fields[name] = _shared(value)
    return model


def _shared(value: object) -> object:
    """The value, or what is equal to it and there already."""
    match value:
        case Frozen():
            return _known(with_shared_parts(value))
        case tuple() if type(value) is tuple:
            return tuple(_shared(one) for one in value)
        case list():
            return [_shared(one) for one in value]
        case Mapping() if type(value) is dict:
            return {name: _shared(one) for name, one in value.items()}
        case _:
            return value


def _known(part: Frozen) -> Frozen:
    try:
        found = _PARTS.get(part)
    except TypeError:
        return part
    known = found() if found is not None else None
    if known is None or repr(known) != repr(part):  # what is equal may look different: 1 and 1.0
        _PARTS[part] = ref(part)
        return part
    return known

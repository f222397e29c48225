"""pydantic's errors -> problems in the words of a policy: key, what was expected, nearest valid key."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.fields import COMPLETE, NO_TYPE, NO_VARIANT
from ctrain.policy.models import Policy
from ctrain.policy.words import did_you_mean, shown_key, shown_value

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "model_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
    "dict_type": "expected a mapping of keys to values",
    "string_too_short": "expected some text",
    "string_too_long": "expected at most {max_length} characters",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
}

_WHOLE = {"missing": "the key is required", "too_short": "expected at least one item"}


def problems_of(error: ValidationError, raw: Any) -> list[Problem]:
    """Return one problem per fault; ``raw`` are the values with placeholders unexpanded.

    What is shown of a value comes from ``raw``, so that no secret of the environment is.
    """
    faults = [(fault, *_locate(fault["loc"], raw)) for fault in error.errors(include_url=False)]
    paths = [path for _, path, _ in faults]
    return [
        Problem(path, _message(fault, path, model, raw))
        for fault, path, model in faults
        if not (fault["type"] == "too_short" and _has_faults_inside(path, paths))
    ]


def _has_faults_inside(path: KeyPath, paths: list[KeyPath]) -> bool:
    """Return whether a list only seems too short because its items were refused."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _message(fault: ErrorDetails, path: KeyPath, model: type[BaseModel] | None, raw: Any) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    value = _value_at(raw, path)
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    if kind in _WHOLE:
        return _WHOLE[kind]
    if kind == COMPLETE:
        return fault["msg"]
    if kind in (NO_VARIANT, NO_TYPE, "literal_error", "enum"):
        return _choice(kind, context, value)
    if kind == "value_error":
        return f"{context['error']}, got {shown_value(path[-1] if '[key]' in fault['loc'] else value)}"
    expected = _EXPECTED.get(kind, fault["msg"][:1].lower() + fault["msg"][1:])
    bounds = {key: f"{bound:g}" if isinstance(bound, float) else bound for key, bound in context.items()}
    return f"{expected.format(**bounds)}, got {shown_value(value)}"


def _choice(kind: str, context: Mapping[str, Any], value: Any) -> str:
    """Return what was expected where one of several keys, types or words had to be chosen."""
    if kind == NO_VARIANT:
        keys = context["keys"].split(", ")
        near = [did_you_mean(key, keys) for key in value] if isinstance(value, dict) else []
        return f"expected one of the keys {context['keys']}" + next(filter(None, near), "")
    if kind == NO_TYPE:
        given = value.get("type") if isinstance(value, dict) else None
        valid = context["types"]
        return f"expected a type, one of {valid}" + did_you_mean(given, valid.split(", "))
    expected = context["expected"].replace("'", "").replace("True", "true")
    words = expected.replace(" or ", ", ").split(", ")
    return f"expected {expected}, got {shown_value(value)}" + did_you_mean(value, words)


def _unknown_key(path: KeyPath, model: type[BaseModel] | None) -> str:
    valid = _keys(model) if model is not None else []
    nearest = did_you_mean(path[-1], valid)
    if nearest or not valid:
        return f"unknown key{nearest}"
    elsewhere = [shown_key((*place, key)) for place, key in _known_places() if key == path[-1]]
    if elsewhere and len(path) <= 2:
        return f"unknown key here; did you mean {elsewhere[0]}?"
    return f"unknown key; expected one of {', '.join(valid)}"


def _known_places() -> Iterable[tuple[KeyPath, str]]:
    """Return every key of the top level and of the sections below it, with where it belongs."""
    for key, annotation in _fields(Policy).items():
        yield (), key
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from (((key,), inner) for inner in _fields(annotation))


def _value_at(raw: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(raw, dict):
            raw = raw.get(str(part))
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            return None
    return raw


def _locate(loc: tuple[int | str, ...], raw: Any) -> tuple[KeyPath, type[BaseModel] | None]:
    """Return the path in the file that pydantic's ``loc`` means, and the model that holds its end."""
    path: list[int | str] = []
    annotation: Any = Policy
    holder: type[BaseModel] | None = None
    for position, part in enumerate(loc):
        annotation, is_tag = _step_into_variant(annotation, part)
        last = position == len(loc) - 1
        if is_tag or part == "[key]" or (not last and not _leads_on(raw, part)):
            continue
        if not _leads_on(raw, part) and not _is_model(annotation):
            continue
        holder = annotation if _is_model(annotation) else None
        path.append(part)
        raw = _value_at(raw, (part,))
        annotation = _inner(annotation, part)
    return tuple(path), holder


def _leads_on(raw: Any, part: int | str) -> bool:
    """Return whether ``part`` is a key or position of ``raw``, and not pydantic's name of a branch."""
    if isinstance(raw, dict):
        return part in raw
    return isinstance(raw, list) and isinstance(part, int)


def _step_into_variant(annotation: Any, part: int | str) -> tuple[Any, bool]:
    """Return the variant of a union that the tag ``part`` names, or the annotation as it is."""
    if not (isinstance(part, str) and part.startswith("<") and part.endswith(">")):
        return annotation, False
    for member in _members(annotation):
        tags = [item.tag for item in get_args(member)[1:] if isinstance(item, Tag)]
        if part in tags:
            return get_args(member)[0], True
    return annotation, True


def _members(annotation: Any) -> tuple[Any, ...]:
    if hasattr(annotation, "__metadata__"):
        return _members(get_args(annotation)[0])
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()


def _inner(annotation: Any, part: int | str) -> Any:
    """Return the annotation of what stands at ``part`` inside a value of ``annotation``."""
    if _is_model(annotation):
        return _plain(_fields(annotation).get(str(part)))
    if get_origin(annotation) is dict:
        return _plain(get_args(annotation)[1])
    if get_origin(annotation) is tuple:
        return _plain(get_args(annotation)[0])
    return None


def _plain(annotation: Any) -> Any:
    """Return ``X`` for ``X | None``; other annotations, tagged unions too, as they are."""
    members = [member for member in _members(annotation) if member is not types.NoneType]
    return members[0] if len(members) == 1 else annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> Mapping[str, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _keys(model: type[BaseModel]) -> list[str]:
    return list(_fields(model))

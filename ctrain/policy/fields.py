"""Field types of policies: durations, sizes, names; each parses what a person writes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

NO_VARIANT = "no_variant"
"""Type of the error when no key tells which variant of a union is meant."""
COMPLETE = "complete"
"""Type of an error whose message needs no addition."""
NO_TYPE = "no_type"
"""Type of the error when ``type`` names no variant of a union."""

_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_DURATION_PATTERN = r"^(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"
_LONGEST = timedelta(days=36_525)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(B|kB|KB|MB|GB|TB)?")
_SIZE_PATTERN = r"^\d{1,15}(\.\d{1,9})?\s*(B|kB|KB|MB|GB|TB)?$"
_SIZE_UNITS = {None: 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Frozen(BaseModel):
    """Base of every part of a policy: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool_for_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Return ``value``; Python takes ``true`` for 1, a policy does not."""
        if isinstance(value, bool) and info.field_name is not None:
            annotation = cls.model_fields[info.field_name].annotation
            if annotation is not bool and True not in _literals(annotation):
                raise PydanticCustomError(COMPLETE, "true and false are not expected here")
        return value


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def parse_duration(value: Any) -> Any:
    """Return the timedelta that ``30d``, ``1h30m`` or ``2w`` mean; timedeltas pass through."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) and 0 < len(value) <= 40 else None
    if match is None:
        raise ValueError("expected a duration such as 30s, 15m, 1h30m, 7d or 2w")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = seconds + 60 * minutes + 3600 * hours + 86400 * days + 7 * 86400 * weeks
    if total > _LONGEST.total_seconds():
        raise ValueError("expected a duration of at most a hundred years")
    return timedelta(seconds=total)


def parse_block(value: Any) -> Any:
    """Return ``"auto"`` or the timedelta that ``value`` means."""
    if value == "auto":
        return value
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError("expected auto or a duration such as 1h or 1d") from None


def _shown_block(value: Any) -> str:
    return value if isinstance(value, str) else format_duration(value)


def format_duration(value: timedelta) -> str:
    """Return the shortest text that parses back to ``value`` (whole seconds).

    >>> format_duration(timedelta(days=1, hours=6))
    '1d6h'
    """
    seconds = int(value.total_seconds())
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, seconds = divmod(seconds, length)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: Any) -> Any:
    """Return the number of bytes that ``500MB`` means; integers are bytes already."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a size such as 500MB or 2GB")
    return int(float(match[1]) * _SIZE_UNITS[match[2]])


def check_zone(value: Any) -> Any:
    """Return an IANA zone name; raises ValueError for anything else."""
    if not isinstance(value, str) or value not in available_timezones():
        raise ValueError("expected an IANA time zone such as UTC or Europe/Berlin")
    return value


def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def matches(pattern: str, expected: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Return what makes a text field accept only ``pattern`` and say ``expected`` otherwise."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.search(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": pattern})


def variant_by_key(key_of: dict[str, str], text: str | None = None) -> Discriminator:
    """Return a discriminator that picks the variant whose own key is present.

    ``key_of`` maps keys to tags, a tag being the variant's class name in brackets, which no path in
    a YAML file contains. The earliest key wins when several are present, so that the others are
    reported as unknown keys of that variant. ``text`` is the tag of the variant that is no mapping.
    """

    def choose(value: Any) -> str | None:
        if isinstance(value, Frozen):
            return f"<{type(value).__name__}>"
        if not isinstance(value, dict):
            return text
        return next((tag for key, tag in key_of.items() if key in value), None)

    return Discriminator(
        choose,
        custom_error_type=NO_VARIANT,
        custom_error_message="expected one of the keys {keys}",
        custom_error_context={"keys": ", ".join(key_of)},
    )


def variant_by_type(tag_of: dict[str, str], none: str | None = None) -> Discriminator:
    """Return a discriminator that picks the variant by the value of its key ``type``.

    ``none`` is the tag of the variant that is null, where there may be nothing.
    """

    def choose(value: Any) -> str | None:
        if value is None:
            return none
        if isinstance(value, Frozen):
            return f"<{type(value).__name__}>"
        kind = value.get("type") if isinstance(value, dict) else None
        return tag_of.get(kind) if isinstance(kind, str) else None

    return Discriminator(
        choose,
        custom_error_type=NO_TYPE,
        custom_error_message="expected a type, one of {types}",
        custom_error_context={"types": ", ".join(tag_of)},
    )


_duration = (
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["1h", "7d"]}),
)
Duration = Annotated[timedelta, *_duration]
PositiveDuration = Annotated[timedelta, Field(gt=timedelta(0)), *_duration]
Block = Annotated[
    Literal["auto"] | Annotated[timedelta, Field(gt=timedelta(0))],
    BeforeValidator(parse_block),
    PlainSerializer(_shown_block, return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^auto$|{_DURATION_PATTERN}", "examples": ["auto", "1d"]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": _SIZE_PATTERN, "examples": ["500MB"]}]}
    ),
]
Zone = Annotated[str, BeforeValidator(check_zone)]
Share = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[
    str,
    *matches(
        r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        "a name of at most 63 letters, digits, dots, dashes and underscores, with a letter or digit first",
    ),
]
ClockTime = Annotated[str, *matches(r"^([01]\d|2[0-3]):[0-5]\d$", "a time of day such as 06:00 or 22:30")]

"""Field types of policies: durations, sizes, names; each parses what a person writes."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_DURATION_PATTERN = r"^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|TB)?")
_SIZE_UNITS = {None: 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Frozen(BaseModel):
    """Base of every part of a policy: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_duration(value: Any) -> Any:
    """Return the timedelta that ``30d``, ``1h30m`` or ``2w`` mean; timedeltas pass through."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError("expected a duration such as 30s, 15m, 1h30m, 7d or 2w")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


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


_duration = (
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["1h", "7d"]}),
)
Duration = Annotated[timedelta, *_duration]
PositiveDuration = Annotated[timedelta, Field(gt=timedelta(0)), *_duration]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "examples": ["500MB"]}]}),
]
Zone = Annotated[str, BeforeValidator(check_zone)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]

"""How instants, lengths and numbers are written on a page."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from ctrain.web.console.charts.svg import element, joined

DASH = "–"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def instant(at: datetime | str | None) -> str:
    """The instant in UTC, with its zone, as an element that programs read, too."""
    if at is None or at == "":
        return DASH
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    at = at.astimezone(UTC)
    return element("time", f"{at:%Y-%m-%d %H:%M} UTC", datetime=at.isoformat(timespec="seconds"))


def age(at: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, in its two largest units.

    >>> now = datetime(2026, 3, 1, tzinfo=UTC)
    >>> age(now - timedelta(hours=26), now), age(now + timedelta(minutes=5), now), age(now, now)
    ('1d 2h ago', 'in 5m', 'now')
    """
    if at is None:
        return ""
    passed = now - at
    told = lasted(abs(passed))
    if abs(passed) < timedelta(seconds=1):
        return "now"
    return f"{told} ago" if passed > timedelta(0) else f"in {told}"


def lasted(length: timedelta | float | None) -> str:
    """A length in its two largest units.

    >>> lasted(timedelta(days=12, hours=5, minutes=3)), lasted(0.25), lasted(59.7), lasted(7200)
    ('12d 5h', '0.2s', '1m', '2h')
    """
    if length is None:
        return DASH
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    left = round(seconds)
    for index, (unit, letter) in enumerate(_UNITS):
        if left >= unit:
            whole, rest = divmod(left, unit)
            lower = _UNITS[index + 1] if index + 1 < len(_UNITS) and unit < 86400 * 30 else None
            second = rest // lower[0] if lower else 0
            return f"{whole}{letter}" + (f" {second}{lower[1]}" if lower and second else "")
    return "0s"


def figure(value: float | None, sign: bool = False) -> str:
    """A number in four digits at most.

    >>> figure(0.123456), figure(-0.5, sign=True), figure(None), figure(12345.0), figure(float("inf"))
    ('0.1235', '−0.5', '–', '12,345', '∞')
    """
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) >= 1000:
        text = f"{value:+,.0f}" if sign else f"{value:,.0f}"
    else:
        text = f"{value:+.4g}" if sign else f"{value:.4g}"
    return text.replace("-", "−") if "e" not in text else text


def count(value: int | None, word: str = "") -> str:
    """A whole number with its noun.

    >>> count(1, "row"), count(12000, "row"), count(None)
    ('1 row', '12,000 rows', '–')
    """
    if value is None:
        return DASH
    if not word:
        return f"{value:,}"
    return f"{value:,} {word}" if value == 1 else f"{value:,} {word}s"


def first_line(text: str | None) -> str:
    """Without a traceback that may follow."""
    return (text or "").partition("\n")[0]


def spoken(word: str) -> str:
    """A name of a program as words: ``not_worth_it`` is ``not worth it``."""
    return word.replace("_", " ")


def sentence(text: str) -> str:
    """The text with its first letter as a capital, and nothing else changed.

    >>> sentence("the lease of A has run out")
    'The lease of A has run out'
    """
    return text[:1].upper() + text[1:]


def marked(text: str) -> Markup:
    """The text with what stands between backticks as code, and everything escaped.

    >>> str(marked("see `ctrain show <run>`, then wait"))
    'see <code>ctrain show &lt;run&gt;</code>, then wait'
    """
    pieces = re.split(r"`([^`\n]+)`", text)
    return joined(element("code", one) if place % 2 else one for place, one in enumerate(pieces))

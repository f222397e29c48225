"""Small pieces of a policy's text: names and numbers as YAML has them."""

from __future__ import annotations

import json
import re

UNNAMEABLE = "it is empty, or stands for a variable of the environment"
"""Why a policy cannot name a column."""
PLAIN_WORD = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)

_SMALL = 1e-4
"""What is smaller is written with an exponent."""


def scalar(text: str) -> str:
    r"""Return YAML that means this text: quoted unless it is a plain word, escaped where it is invisible.

    >>> scalar("price"), scalar("no of rooms"), scalar("größe\u2028")
    ('price', '"no of rooms"', '"größe\\u2028"')
    """
    return text if PLAIN_WORD.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """Return a text in quotation marks, escaped where it is invisible."""
    return printable(json.dumps(text, ensure_ascii=False))


def printable(text: str) -> str:
    r"""Return a text as a comment can hold it: what is invisible is escaped.

    >>> printable("don\x92t know")
    'don\\u0092t know'
    """
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"


def is_nameable(column: str) -> bool:
    """Return whether a policy can name a column."""
    return bool(column.strip()) and "${" not in column


def number(value: float, digits: int = 1) -> str:
    """Return a number with so many digits that are not nought at its left.

    >>> number(0.00489), number(279.6), number(2.49e-8, 3)
    ('0.005', '300', '2.49e-08')
    """
    short = f"{value:.{digits}g}"
    if 0 < abs(value) < _SMALL:
        return short
    shown = f"{float(short):f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown

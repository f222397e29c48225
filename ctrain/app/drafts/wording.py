"""Small pieces of a policy's text: names and numbers as YAML has them."""

from __future__ import annotations

import json
import re

UNNAMEABLE = "it is empty, or stands for a variable of the environment"
"""Why a policy cannot name a column."""
PLAIN_WORD = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)


def scalar(text: str) -> str:
    r"""Return YAML that means this text: quoted unless it is a plain word, escaped where it is invisible.

    >>> scalar("price"), scalar("no of rooms"), scalar("größe\u2028")
    ('price', '"no of rooms"', '"größe\\u2028"')
    """
    if PLAIN_WORD.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else _escaped(one) for one in quoted)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"


def is_nameable(column: str) -> bool:
    """Return whether a policy can name a column."""
    return bool(column.strip()) and "${" not in column


def number(value: float) -> str:
    """Return a number with one digit that is not nought.

    >>> number(0.00489), number(279.6)
    ('0.005', '300')
    """
    shown = f"{float(f'{value:.1g}'):f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown

"""Small pieces of a policy's text: names and numbers as YAML has them."""

from __future__ import annotations

import json
import re

PLAIN_WORD = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)


def scalar(text: str) -> str:
    """Return YAML that means this text: quoted unless it is a plain word.

    >>> scalar("price"), scalar("no of rooms")
    ('price', '"no of rooms"')
    """
    return text if PLAIN_WORD.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """Return a number with one digit that is not nought.

    >>> number(0.00489), number(279.6)
    ('0.005', '300')
    """
    shown = f"{float(f'{value:.1g}'):f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown

"""Takes the address of a channel, and every part of it that may be secret, out of what is said about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from ctrain.domain import Channel

HIDDEN = "***"
_SHORTEST = 4
"""Shorter parts are left alone: they would tear holes into every word."""
LONGEST_DETAIL = 300


def shown_address(url: str) -> str:
    """Return what may be shown of an address: of a webhook its server, of others only the service.

    >>> shown_address("https://me:key@chat.example/hooks/T0K3N")
    'https://chat.example'
    >>> shown_address("slack://T1/B2/C3")
    'slack'
    """
    scheme, found, _ = url.partition("://")
    if not found:
        return HIDDEN
    if scheme.lower() not in {"http", "https"}:
        return scheme.lower()
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return scheme.lower()
    return f"{scheme.lower()}://{parts.hostname or HIDDEN}{port}"


def redacted(text: str, channel: Channel) -> str:
    """Return ``text`` on one line, short, without the secrets of the channel."""
    for secret in _secrets(channel):
        text = text.replace(secret, HIDDEN)
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split())
    return line if len(line) <= LONGEST_DETAIL else line[: LONGEST_DETAIL - 3] + "..."


def _secrets(channel: Channel) -> list[str]:
    """The longest first, so that no part is left of one that holds another."""
    rest = channel.url.partition("://")[2]
    if channel.url.lower().startswith(("http://", "https://")):
        userinfo, at, after = rest.partition("@")
        host = re.split(r"[/?#]", after if at and "/" not in userinfo else rest)[0]
        open_words = {host, host.partition(":")[0]}
    else:
        open_words = set()
    parts = {channel.url, rest, channel.secret or "", *re.split(r"[/?#&=:@;,]", rest)}
    parts |= {unquote(part) for part in parts}
    return sorted((part for part in parts - open_words if len(part) >= _SHORTEST), key=len, reverse=True)

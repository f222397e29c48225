"""Whether a cursor is one: what comes from the database may have been damaged, or edited by somebody."""

from __future__ import annotations

import base64
import re
from typing import Any, get_args

from ctrain.domain import Json
from ctrain.errors import PermanentError
from ctrain.sources.column_types import ColumnType

_DONE = re.compile(r"(?:[ -~]{24}[A-Za-z0-9+/]{4})*")
_POSITIONS = re.compile(r"(?:[ -~]{32}[A-Za-z0-9+/]{28})*")
_POSITION = 60
_TYPES = frozenset(get_args(ColumnType))


def require_sound(cursor: Json, version: int) -> None:
    """Return when a source can go on from the cursor.

    Raises
    ------
    PermanentError
        when another version of ctrain has written it, or it is not as any version writes it.
    """
    if not isinstance(cursor, dict) or cursor.get("version") != version:
        found = cursor.get("version") if isinstance(cursor, dict) else None
        raise PermanentError(f"the cursor has version {found}, expected {version}")
    damaged = next((key for key, sound in _sound_parts(cursor).items() if not sound), None)
    if damaged is not None:
        raise PermanentError(
            f"the cursor is damaged ({damaged!r} is not one): restore the database from a backup"
        )


def _sound_parts(cursor: dict[str, Any]) -> dict[str, bool]:
    headers = cursor.get("headers", [])
    return {
        "settings": isinstance(cursor.get("settings"), str),
        "done": _matches(_DONE, cursor.get("done")),
        "open": _maps(cursor.get("open"), _is_open),
        "ignored": _are_texts(cursor.get("ignored")),
        "headers": _are_texts(headers),
        "types": _maps(cursor.get("types", {}), lambda one: isinstance(one, str) and one in _TYPES),
        "positions": _are_texts(headers) and _are_positions(cursor.get("positions", ""), len(headers)),
    }


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _are_texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _maps(found: object, is_sound: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(key, str) and is_sound(one) for key, one in found.items()
    )


def _is_open(entry: object) -> bool:
    if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], str):
        return False
    return all(type(number) is int and number >= 0 for number in entry[1:])


def _are_positions(text: object, headers: int) -> bool:
    """Each names one of the headers, or none."""
    if not isinstance(text, str) or not _matches(_POSITIONS, text):
        return False
    last = (text[at + _POSITION - 4 : at + _POSITION] for at in range(0, len(text), _POSITION))
    return all(int.from_bytes(base64.b64decode(one), "big") <= headers for one in last)

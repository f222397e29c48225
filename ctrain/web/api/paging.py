"""Pages: an opaque cursor says where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request

from ctrain.web.api.fields import MOST_NUMBER
from ctrain.web.problems import Refusal

MOST = 500
Limit = Annotated[int, Query(ge=1, le=MOST, description="Most entries of a page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="Where the page begins: take it from `next` of the page before."),
]


def pack(kind: str, place: int | str) -> str:
    """The cursor of a place in a list of this kind."""
    return base64.urlsafe_b64encode(json.dumps([kind, place]).encode()).decode().rstrip("=")


def number_at(kind: str, cursor: str | None) -> int | None:
    """The number that a cursor stands for; None at the beginning. Raises Refusal for another list's."""
    place = _place(kind, cursor)
    if place is None or (isinstance(place, int) and 0 <= place <= MOST_NUMBER):
        return place
    raise foreign()


def name_at(kind: str, cursor: str | None) -> str:
    """The name that a cursor stands for; empty at the beginning. Raises Refusal for another list's."""
    place = _place(kind, cursor)
    if place is None or (isinstance(place, str) and place.isprintable()):
        return place or ""
    raise foreign()


def following(request: Request, cursor: str | None) -> str | None:
    """The address of the next page, with all that narrows the list; None without a cursor."""
    if cursor is None:
        return None
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


def _place(kind: str, cursor: str | None) -> Any:
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(text)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise foreign() from error
    if not isinstance(found, list) or len(found) != 2 or found[0] != kind or isinstance(found[1], bool):
        raise foreign()
    return found[1]


def foreign() -> Refusal:
    """What to raise for a cursor that no page of this list gave."""
    return Refusal(
        HTTPStatus.NOT_FOUND,
        "there is no such page: take the cursor from `next` of this list, or leave it out to begin anew",
    )

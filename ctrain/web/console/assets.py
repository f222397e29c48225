"""The style sheet, the script and the icon; named by their content, so that browsers keep them."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from ctrain.web.auth import public
from ctrain.web.problems import Refusal

FOLDER = Path(__file__).parent
router = APIRouter(dependencies=[Depends(public)])
TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
KEPT = "public, max-age=31536000, immutable"


@cache
def content_of(name: str) -> tuple[bytes, str]:
    """The file and the name of its content."""
    content = (FOLDER / "static" / name).read_bytes()
    return content, sha256(content).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a file as it is now."""
    return f"/static/{content_of(name)[1]}/{name}"


@router.get("/static/{digest}/{name}")
def static(digest: str, name: str) -> Response:
    """A file, by an address that changes with it."""
    if name not in TYPES:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no {name}")
    content, known = content_of(name)
    kept = KEPT if digest == known else "no-cache"
    return Response(content, media_type=TYPES[name], headers={"Cache-Control": kept})

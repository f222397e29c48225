"""What is sent as gzip, and what must not be."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from ctrain.web.compression import Compression

WORDS = "the same words " * 100


async def stream() -> Any:
    for _ in range(3):
        yield WORDS


def app(kind: str, cache: str) -> Compression:
    headers = {"Cache-Control": cache}

    def page(_: object) -> PlainTextResponse:
        return PlainTextResponse(WORDS if kind != "short" else "short", headers=headers)

    def events(_: object) -> StreamingResponse:
        return StreamingResponse(stream(), media_type=kind, headers=headers)

    answer = events if "/" in kind else page
    return Compression(Starlette(routes=[Route("/static/a", answer), Route("/page", answer)]))


def sent(app: Compression, path: str, headers: dict[str, str]) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("kind", "path", "cache", "asked", "compressed"),
    [
        ("long", "/page", "no-store", {}, True),
        ("long", "/page", "no-store", {"Sec-Fetch-Site": "same-origin"}, True),
        ("long", "/page", "no-store", {"Sec-Fetch-Site": "none"}, True),
        ("text/html", "/page", "no-store", {}, True),
        ("short", "/page", "no-store", {}, False),
        ("long", "/page", "no-store, no-transform", {}, False),
        ("text/html", "/page", "no-store, no-transform", {}, False),
        ("text/event-stream", "/page", "no-store", {}, False),
        ("long", "/page", "no-store", {"Sec-Fetch-Site": "cross-site"}, False),
        ("long", "/page", "no-store", {"Sec-Fetch-Site": "same-site"}, False),
        ("long", "/static/a", "public", {"Sec-Fetch-Site": "cross-site"}, True),
        ("long", "/page", "no-store", {"Accept-Encoding": "identity"}, False),
        ("long", "/page", "no-store", {"Accept-Encoding": "br, gzip;q=0, *;q=0.1"}, False),
        ("long", "/page", "no-store", {"Accept-Encoding": "br;q=1.0, gzip;q=0.8"}, True),
    ],
)
def test_what_may_be_compressed_is(
    kind: str, path: str, cache: str, asked: dict[str, str], compressed: bool
) -> None:
    answer = sent(app(kind, cache), path, {"Accept-Encoding": "gzip", **asked})
    whole = {"short": "short", "long": WORDS}.get(kind, WORDS * 3)
    assert (answer.text, answer.headers.get("content-encoding")) == (whole, "gzip" if compressed else None)
    assert not compressed or answer.num_bytes_downloaded < len(whole) / 5
    assert not compressed or answer.headers["vary"] == "Accept-Encoding"

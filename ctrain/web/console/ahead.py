"""The first page, made once before somebody asks for it: what it needs is then read and compiled."""

from __future__ import annotations

from contextlib import suppress

from fastapi import FastAPI, Request

from ctrain.errors import CtrainError
from ctrain.web.auth import ANONYMOUS
from ctrain.web.console.pages import overview
from ctrain.web.console.rendering import templates


def look_ahead(app: FastAPI) -> None:
    """Prepare the routes, compile the templates, and show the overview to nobody.

    While the database is away that cannot be shown: the first page that finds it there takes its time.
    """
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []})
    for route in app.routes:
        route.matches(request.scope)  # FastAPI works out what a route takes when it first looks at it
    for name in templates().list_templates():
        templates().get_template(name)
    with suppress(CtrainError):
        overview(request, ANONYMOUS, app.state.backend)

"""The first page, made once before somebody asks for it: what it needs is then read and compiled."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import Request

from ctrain.errors import CtrainError
from ctrain.web.auth import ANONYMOUS
from ctrain.web.console.pages import overview
from ctrain.web.console.rendering import templates

if TYPE_CHECKING:
    from ctrain.web.backend import Backend


def look_ahead(backend: Backend) -> None:
    """Compile the templates, and show the overview to nobody.

    While the database is away that cannot be shown: the first page that finds it there takes its time.
    """
    for name in templates().list_templates():
        templates().get_template(name)
    request = Request({"type": "http", "path": "/", "query_string": b"", "headers": []})
    with suppress(CtrainError):
        overview(request, ANONYMOUS, backend)

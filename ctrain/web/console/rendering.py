"""Templates turned into answers, with what every page shows: who is there, the theme, the daemon."""

from __future__ import annotations

import hmac
import secrets
from functools import cache
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ctrain import __version__
from ctrain.domain.access import Role
from ctrain.web.auth import COOKIE, Caller
from ctrain.web.backend import Backend
from ctrain.web.compression import AS_IT_IS
from ctrain.web.console import words
from ctrain.web.console.assets import FOLDER, asset
from ctrain.web.console.charts.bounds import sequence_chart
from ctrain.web.console.charts.heat import heat_chart, level_of
from ctrain.web.console.charts.lines import series_chart, strip_chart
from ctrain.web.console.charts.spark import spark
from ctrain.web.console.charts.timeline import timeline_chart

THEME = "ctrain_theme"
THEMES = ("auto", "dark", "light")
_SECRET = secrets.token_bytes(32)
"""For callers without a token of their own: their forms are good until the server starts anew."""


@cache
def templates() -> Environment:
    """The environment of all templates: what is not markup is escaped, and an unknown name is an error."""
    env = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(
        instant=words.instant,
        lasted=words.lasted,
        figure=words.figure,
        count=words.count,
        first_line=words.first_line,
        spoken=words.spoken,
        age=words.age,
        sentence=words.sentence,
        marked=words.marked,
    )
    env.globals.update(
        spark=spark,
        series_chart=series_chart,
        strip_chart=strip_chart,
        sequence_chart=sequence_chart,
        heat_chart=heat_chart,
        timeline_chart=timeline_chart,
        level_of=level_of,
        asset=asset,
        release=__version__,
    )
    return env


def page(
    request: Request, template: str, caller: Caller | None, *, status: int = 200, **shown: Any
) -> HTMLResponse:
    """The template as an answer, never compressed when it has a form; ``shown`` are its own names."""
    theme = theme_of(request)
    rest = request.url.query
    kept: dict[str, str] = {}

    def csrf() -> str:
        kept["Cache-Control"] = f"no-store, {AS_IT_IS}"
        return csrf_of(request, caller)

    text = (
        templates()
        .get_template(template)
        .render(
            caller=caller,
            operator=caller is not None and caller.may(Role.OPERATOR),
            approver=caller is not None and caller.may(Role.APPROVER),
            theme=theme,
            next_theme=THEMES[(THEMES.index(theme) + 1) % len(THEMES)],
            here=request.url.path + (f"?{rest}" if rest else ""),
            csrf=csrf,
            with_query=lambda **changes: with_query(request, changes),
            **shown,
        )
    )
    return HTMLResponse(text, status, kept)


def theme_of(request: Request) -> str:
    """What the reader has chosen; ``auto`` follows the system."""
    chosen = request.cookies.get(THEME, "auto")
    return chosen if chosen in THEMES else "auto"


def with_query(request: Request, changes: dict[str, object]) -> str:
    """The address of this page with other parameters; empty ones are left out."""
    known = {**request.query_params, **{key: str(value) for key, value in changes.items()}}
    kept = {key: value for key, value in known.items() if value}
    return request.url.path + (f"?{urlencode(kept)}" if kept else "")


def csrf_of(request: Request, caller: Caller | None) -> str:
    """What a form of this caller carries: a page of another server cannot know it."""
    words_of_token = request.cookies.get(COOKIE, "")
    key = words_of_token.encode() if words_of_token else _SECRET
    name = caller.name if caller is not None else ""
    return hmac.new(key, f"ctrain form of {name}".encode(), sha256).hexdigest()


def is_own_form(request: Request, caller: Caller, given: str) -> bool:
    """True when a form was made for this caller."""
    return hmac.compare_digest(csrf_of(request, caller).encode(), given.encode())


def backend_of(request: Request) -> Backend:
    return cast("Backend", request.app.state.backend)

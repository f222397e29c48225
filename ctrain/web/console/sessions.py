"""Login with a token, logout, and the choice of a theme."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from ctrain.web.auth import COOKIE, Caller, Gate, is_own_origin, public
from ctrain.web.console.rendering import THEME, THEMES, page
from ctrain.web.problems import Refusal

router = APIRouter(dependencies=[Depends(public)])
SESSION_SECONDS = 12 * 3600
YEAR_SECONDS = 365 * 86400


@router.api_route("/login", methods=["GET", "HEAD"])
def login_page(request: Request, next: str = "/") -> Response:
    """The form; a token that counts no more is forgotten."""
    return _form(request, own_path(next))


@router.post("/login")
def login(  # nosec B107 # an empty form, no password
    request: Request,
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Keep the token in a cookie that scripts cannot read; back to where the caller came from."""
    refuse_other_origins(request)
    gate: Gate = request.app.state.gate
    try:
        gate.check(request, token.strip())
    except Refusal as refused:
        return _form(request, own_path(next), str(refused.detail), refused.status_code)
    answer = RedirectResponse(own_path(next), HTTPStatus.SEE_OTHER)
    _keep(answer, request, COOKIE, token.strip(), SESSION_SECONDS, strict=True)
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:
    """Forget the token in this browser; it stays valid elsewhere."""
    refuse_other_origins(request)
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@router.post("/theme")
def theme(
    request: Request,
    to: Annotated[str, Form()] = "auto",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Keep the choice for a year."""
    refuse_other_origins(request)
    answer = RedirectResponse(own_path(back), HTTPStatus.SEE_OTHER)
    chosen = to if to in THEMES else "auto"
    _keep(answer, request, THEME, chosen, YEAR_SECONDS, strict=False)
    return answer


def own_path(path: str) -> str:
    """The path if it is one of this server, else the first page: no address leads elsewhere.

    >>> own_path("/runs/a?x=1"), own_path("//evil.example"), own_path("https://evil.example/")
    ('/runs/a?x=1', '/', '/')
    """
    try:
        parts = urlsplit(path)
    except ValueError:  # half an address
        return "/"
    odd = parts.scheme or parts.netloc or not path.startswith("/") or path.startswith(("//", "/\\"))
    return "/" if odd or not path.isprintable() else path


def refuse_other_origins(request: Request) -> None:
    """Raise Refusal when a page of another server has sent the form."""
    origin = request.headers.get("origin")
    if origin is not None and not is_own_origin(request, origin):
        raise Refusal(HTTPStatus.FORBIDDEN, "this form comes from a page of another server; open the console")


def caller_or_none(request: Request) -> Caller | None:
    """Who looks at a page that everybody may see."""
    gate: Gate = request.app.state.gate
    try:
        return gate.caller(request)
    except Refusal:
        return None


def _form(request: Request, back: str, wrong: str = "", status: int = HTTPStatus.OK) -> Response:
    gate: Gate = request.app.state.gate
    caller, stale = None, False
    try:
        caller = gate.caller(request)
    except Refusal as refused:  # a token that cannot be looked at now may still be a right one
        stale = refused.status_code == HTTPStatus.UNAUTHORIZED
    answer = page(request, "login.html", caller, status=status, back=back, wrong=wrong)
    if stale and COOKIE in request.cookies:
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _keep(answer: Response, request: Request, name: str, value: str, seconds: int, *, strict: bool) -> None:
    gate: Gate = request.app.state.gate
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        secure=gate.encrypted(request),
        samesite="strict" if strict else "lax",
    )

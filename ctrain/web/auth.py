"""Who calls, and whether they may: bearer tokens, the console's cookie, or a trusted proxy's headers.

Each route depends on ``viewer``, ``operator``, ``approver``, ``writer`` or ``public``. Whatever changes
something needs a token also on loopback; reading there needs none. A cookie, which a browser sends by
itself, counts for a change only where the request says that it comes from our own pages.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from ctrain.domain.access import Role
from ctrain.errors import CtrainError
from ctrain.web.failures import FailureLimit
from ctrain.web.problems import Refusal
from ctrain.web.rules import plain_address
from ctrain.web.tokens import PREFIX, matches, token_id_of

if TYPE_CHECKING:
    from ctrain.domain.access import Token
    from ctrain.web.backend import Backend

COOKIE = "ctrain_token"
"""Holds the words of a token; set by the console's login."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
NOTED_EVERY = timedelta(minutes=10)
ORDER = (Role.WRITER, Role.VIEWER, Role.OPERATOR, Role.APPROVER)
CREATE = "`ctrain token create NAME --role ROLE` on the daemon's machine makes one"

Credential = Literal["none", "token", "cookie", "proxy"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and as what."""

    name: str
    role: Role
    credential: Credential = "token"

    @property
    def actor(self) -> str:
        """As it stands on record: ``token nightly``, or ``user ann`` for a person of a proxy."""
        match self.credential:
            case "none":
                return self.name
            case "proxy":
                return f"user {self.name}"
            case _:
                return f"token {self.name}"

    def may(self, role: Role) -> bool:
        return self.role.includes(role)


ANONYMOUS = Caller("somebody on this machine", Role.VIEWER, "none")


class Gate:
    """Finds out who calls; one per application."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._rules = backend.rules
        self._failures = FailureLimit(backend.timer.monotonic)
        self._noted: dict[str, float] = {}
        self._noting = threading.Lock()

    def admit(self, request: Request, role: Role) -> Caller:
        """The caller, who may do what ``role`` is for.

        Raises
        ------
        Refusal
            401 without valid credentials, 403 without the role, 429 after too many failures.
        """
        caller = self.caller(request)
        if caller is None:
            raise _unauthorised(f"a token is needed: send `Authorization: Bearer TOKEN`; {CREATE}")
        if not caller.may(role):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"{caller.name} is {_a(caller.role)}, and this is for {_a(role)}; {CREATE}",
            )
        if request.method not in SAFE:
            self._refuse_foreign_pages(request, caller)
        return caller

    def still_admits(self, request: Request, role: Role) -> bool:
        """Whether a caller that was admitted would be now; one is not turned away while nobody can tell."""
        try:
            caller = self.caller(request)
        except Refusal:
            return False
        except CtrainError:
            return True
        return caller is not None and caller.may(role)

    def caller(self, request: Request) -> Caller | None:
        """Who calls; None for nobody in particular who may not even read.

        Raises
        ------
        Refusal
            401 when the credentials are wrong, 429 after too many of these.
        """
        from_ours = self._rules.trusts(_peer(request))
        bearer = _bearer(request)
        if bearer is not None and bearer.startswith(f"{PREFIX}_"):
            return self._by_token(request, bearer, "token")
        if bearer is not None and not from_ours:  # a proxy may have asked for other words
            raise _unauthorised(f"Authorization holds no token of ctrain; {CREATE}")
        from_proxy = self._by_proxy(request)
        if from_proxy is not None:
            return from_proxy
        cookie = request.cookies.get(COOKIE)
        if cookie:
            return self._by_token(request, cookie, "cookie")
        return ANONYMOUS if self._rules.open_reading else None

    def check(self, request: Request, words: str) -> Caller:
        """The caller by the words of a token, as typed into a login; Refusal when they are wrong."""
        return self._by_token(request, words, "cookie")

    def address(self, request: Request) -> str:
        """Where the request comes from, as far as that can be believed."""
        peer = _peer(request)
        if not self._rules.trusts(peer):
            return peer
        hops = [plain_address(hop) for hop in _listed(request, "x-forwarded-for")]
        return next((hop for hop in reversed(hops) if not self._rules.trusts(hop)), peer)

    def encrypted(self, request: Request) -> bool:
        """True when the caller speaks TLS, to us or to a proxy of ours."""
        if self._rules.tls:
            return True
        told = _listed(request, "x-forwarded-proto") if self._rules.trusts(_peer(request)) else []
        return bool(told) and told[0].lower() == "https"

    def _by_token(self, request: Request, words: str, credential: Credential) -> Caller:
        """The caller by a token: a right one counts whatever others behind the same address got wrong."""
        token = self._token(words)
        if token is not None:
            self._note_use(token)
            return Caller(token.name, token.role, credential)
        address = self.address(request)
        seconds = self._failures.retry_after(address)
        if seconds:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many wrong tokens from {address}; try again in {seconds} s",
                {"Retry-After": str(seconds)},
            )
        self._failures.count(address)
        self._backend.log("token_refused", address=address)
        raise _unauthorised(f"the token is wrong, has run out or was revoked; {CREATE}")

    def _token(self, words: str) -> Token | None:
        token_id = token_id_of(words)
        found = None
        if token_id is not None:
            with self._backend.store.read() as tx:
                found = tx.token(token_id)
        if not matches(words, found) or found is None:
            return None
        return found if found.valid(self._backend.timer.now()) else None

    def _note_use(self, token: Token) -> None:
        """Keep the time of the last use, now and then: it is for whoever looks for forgotten tokens."""
        now = self._backend.timer.monotonic()
        with self._noting:
            if now - self._noted.get(token.id, -NOTED_EVERY.total_seconds()) < NOTED_EVERY.total_seconds():
                return
            self._noted[token.id] = now
        try:
            with self._backend.store.write() as tx:
                tx.note_token_use(token.id, self._backend.timer.now())
        except CtrainError as error:  # the call itself does not need it
            self._backend.log("token_use_not_noted", message=str(error))

    def _by_proxy(self, request: Request) -> Caller | None:
        proxy = self._rules.proxy
        if proxy is None or not self._rules.trusts(_peer(request)):
            return None
        name = _only(request, proxy.user_header).strip()
        if not name or not name.isprintable() or len(name) > 200:
            return None
        words = _only(request, proxy.role_header) if proxy.role_header else ""
        return Caller(name, _strongest(words), "proxy")

    def _refuse_foreign_pages(self, request: Request, caller: Caller) -> None:
        """Raise unless the browser says that one of our pages asks; a program sends no Origin."""
        if caller.credential not in {"cookie", "proxy"}:
            return
        origin = request.headers.get("origin")
        if origin is None and caller.credential == "proxy":
            return
        if origin is None or not is_own_origin(request, origin):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "this comes from a page of another server; open the console itself, or use a bearer token",
            )


def _peer(request: Request) -> str:
    """The address at the other end of the connection."""
    return plain_address(request.client.host) if request.client else ""


def is_own_origin(request: Request, origin: str) -> bool:
    """True when an Origin header names this server."""
    try:
        named = urlsplit(origin).netloc.lower()
    except ValueError:  # such as http://[
        return False
    return bool(named) and named == request.headers.get("host", "").lower()


def _listed(request: Request, header: str) -> list[str]:
    """What all lines of a header list, in their order."""
    found = ",".join(request.headers.getlist(header)).split(",")
    return [one.strip() for one in found if one.strip()]


def _only(request: Request, header: str) -> str:
    """A header that says who is there; Refusal when it comes twice: one of the two is not the proxy's."""
    found = request.headers.getlist(header)
    if len(found) > 1:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"the header {header} came twice; the proxy has to take it out of what its own callers send",
        )
    return found[0] if found else ""


def _strongest(words: str) -> Role:
    """The strongest role among words parted by commas; viewer when none is one."""
    named = {word.strip().lower() for word in words.split(",")}
    return next((role for role in reversed(ORDER) if role.value in named), Role.VIEWER)


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, words = header.partition(" ")
    return words.strip() if scheme.lower() == "bearer" else ""


def _unauthorised(detail: str) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": 'Bearer realm="ctrain"'})


def _a(role: Role) -> str:
    return f"{'an' if role.value[0] in 'aeiou' else 'a'} {role.value}"


_SCHEME = HTTPBearer(auto_error=False, scheme_name="token", description="A token of `ctrain token create`.")


class Needs:
    """The dependency of a route for callers of a role."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(self, request: Request, _: Annotated[object, Depends(_SCHEME)] = None) -> Caller:
        gate: Gate = request.app.state.gate
        return gate.admit(request, self.role)


async def public() -> None:
    """The dependency of a route for everybody, without a token."""


viewer = Needs(Role.VIEWER)
operator = Needs(Role.OPERATOR)
approver = Needs(Role.APPROVER)
writer = Needs(Role.WRITER)

"""``ctrain token``: who may call the API and log in to the console."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ctrain.cli.limit_lines import instant
from ctrain.cli.options import AsJson, Home, actor, load_settings
from ctrain.cli.output import guarded, print_json, print_table, say

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.domain.access import Token
    from ctrain.ports import Store

TokenName = Annotated[str, typer.Argument(help="Name of the token; it is on record with what it does.")]


class RoleName(StrEnum):
    """What the option takes: the roles of ``ctrain.domain.access``, which is imported when a command runs."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    WRITER = "writer"


def register(app: typer.Typer) -> None:
    tokens = typer.Typer(
        help="Tokens of the HTTP API and the console: create, list, revoke.", no_args_is_help=True
    )
    for name, command in (("create", create), ("list", list_tokens), ("revoke", revoke)):
        tokens.command(name)(guarded(command))
    app.add_typer(tokens, name="token")


def create(
    name: TokenName,
    role: Annotated[
        RoleName,
        typer.Option(
            "--role",
            help="viewer reads; operator also triggers, pauses, cancels and rolls back; approver also "
            "approves and rejects; writer sends rows and labels only.",
        ),
    ],
    expires: Annotated[
        str, typer.Option("--expires", help="Until when it counts: 90d, 12h, or never.")
    ] = "never",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print its words, which are told this once."""
    from ctrain.app.wiring import open_database
    from ctrain.clocks import RealTimer
    from ctrain.domain.access import Role
    from ctrain.web.tokens import make_token

    store, now = open_database(load_settings(home)), RealTimer().now()
    words, token = make_token(name, Role(role.value), actor(), now, _end(expires, now))
    with store.write() as tx:
        tx.add_token(token)
    if as_json:
        print_json({**_token_json(token), "token": words})
    else:
        say(words)


def list_tokens(home: Home = None, as_json: AsJson = False) -> None:
    """List every token that was made, what it may do and when it was used last."""
    with _store(home).read() as tx:
        tokens = tx.tokens()
    if as_json:
        print_json({"tokens": [_token_json(one) for one in tokens]})
    elif tokens:
        print_table(("name", "role", "created", "by", "ends", "revoked", "last used"), map(_row, tokens))
    else:
        say("no tokens yet: `ctrain token create NAME --role viewer` makes one")


def revoke(name: TokenName, home: Home = None, as_json: AsJson = False) -> None:
    """Let a token count no more, from now on."""
    from ctrain.clocks import RealTimer
    from ctrain.errors import InputError

    store = _store(home)
    with store.write() as tx:
        known = [one.name for one in tx.tokens()]
        if not tx.revoke_token(name, RealTimer().now()):
            raise InputError(f"there is no token {name} here; known: {', '.join(known) or 'none yet'}")
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        say(f"{name} counts no more")


def _store(home: Path | None) -> Store:
    from ctrain.app.wiring import open_existing_database

    return open_existing_database(load_settings(home))


def _end(expires: str, now: datetime) -> datetime | None:
    from ctrain.errors import InputError
    from ctrain.policy.fields import parse_duration

    if expires == "never":
        return None
    try:
        lasts: timedelta = parse_duration(expires)
        return now + lasts
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"--expires {expires}: expected a duration such as 90d, or never: {error}"
        ) from error


def _token_json(token: Token) -> dict[str, str | None]:
    """What may be shown of a token: never its digest."""
    return {
        "name": token.name,
        "role": token.role.value,
        "created_at": token.created_at.isoformat(),
        "created_by": token.created_by,
        "expires_at": _iso(token.expires_at),
        "revoked_at": _iso(token.revoked_at),
        "last_used_at": _iso(token.last_used_at),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _row(token: Token) -> list[str]:
    return [
        token.name,
        token.role.value,
        instant(token.created_at),
        token.created_by,
        instant(token.expires_at) if token.expires_at else "never",
        instant(token.revoked_at),
        instant(token.last_used_at),
    ]

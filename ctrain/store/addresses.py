"""Addresses of databases: what is read from them, and how they are shown without their secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ctrain.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import URL

EXPECTED = "expected sqlite:///PATH or postgresql://HOST/DATABASE"
SECRETS = ("password", "sslpassword", "passfile")
"""Of libpq's parameters, which an address may carry after its question mark."""


def parse_address(url: str) -> URL:
    """The parts of the address; an address that cannot be taken apart is not repeated whole."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # Where the password begins and ends in it is not known: what was tried would show it.
        safe = repr(url) if "@" not in url and "password" not in url else "the address of the database"
        hint = "" if "@" not in url else "; a password with /, @, : or ? in it must be percent-encoded"
        raise InputError(
            f"{safe}: expected a database address (CTRAIN_DATABASE_URL): {EXPECTED}{hint}"
        ) from None


def shown(address: URL) -> str:
    """The address without its secrets."""
    hidden = {name: "hidden" for name in SECRETS if name in address.query}
    return address.update_query_dict(hidden).render_as_string(hide_password=True)

"""Who may come in by which door: what a server derives from its address and its environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from ctrain.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """A reverse proxy that has asked people who they are; believed only from its own addresses."""

    user_header: str
    role_header: str
    """Empty: whoever it lets through is a viewer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What this server asks of its callers."""

    loopback: bool = True
    """It listens for this machine alone."""
    tls: bool = False
    hosts: frozenset[str] = field(default_factory=frozenset)
    """Names by which it may be called, besides addresses."""
    proxies: tuple[Network, ...] = ()
    """From where it is believed for whom a request is passed on, and whether that came by TLS."""
    proxy: Proxy | None = None
    """Who these proxies say is there counts, too; None: only what callers show themselves."""

    @property
    def open_reading(self) -> bool:
        """Reading needs no token: on loopback, where no proxy lets the world in."""
        return self.loopback and not self.proxies

    def trusts(self, address: str) -> bool:
        """True for a proxy of ours."""
        return _within(address, self.proxies)

    def knows_host(self, host: str) -> bool:
        """False for a name that may be somebody else's, turned upon this server.

        A web page that names this server by a name of its own could otherwise read it through the browser of
        whoever looks at the page. Nobody can do that with an address, so these are always known.
        """
        if _is_address(host) or host in self.hosts:
            return True
        if self.loopback:
            return host == "localhost" or host.endswith(".localhost")
        return not self.hosts


def rules_for(address: str, environ: Mapping[str, str], *, tls: bool = False) -> Rules:
    """The rules of a server that listens on ``address`` (an IP address).

    Raises
    ------
    InputError
        when a variable cannot be used.
    """
    hosts = (one.strip().lower() for one in environ.get("CTRAIN_ALLOWED_HOSTS", "").split(","))
    return Rules(
        loopback=ipaddress.ip_address(address.partition("%")[0]).is_loopback,
        tls=tls,
        hosts=frozenset(one for one in hosts if one),
        proxies=_proxies(environ),
        proxy=_proxy(environ),
    )


def _proxies(environ: Mapping[str, str]) -> tuple[Network, ...]:
    named = (one.strip() for one in environ.get("CTRAIN_TRUSTED_PROXIES", "").split(","))
    return tuple(_network(one) for one in named if one)


def _proxy(environ: Mapping[str, str]) -> Proxy | None:
    user, role = environ.get("CTRAIN_AUTH_HEADER", ""), environ.get("CTRAIN_AUTH_ROLE_HEADER", "")
    if not user and not role:
        return None
    if not user:
        raise InputError("CTRAIN_AUTH_ROLE_HEADER: needs CTRAIN_AUTH_HEADER, which names the person")
    if not _proxies(environ):
        raise InputError(
            "CTRAIN_AUTH_HEADER: needs CTRAIN_TRUSTED_PROXIES, the addresses of the proxy that sets it: "
            "anybody else could set it, too"
        )
    return Proxy(user, role)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InputError(
            f"CTRAIN_TRUSTED_PROXIES: expected addresses or networks such as 10.0.0.7,10.1.0.0/16: {error}"
        ) from error


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in one for one in networks)


def plain_address(text: str) -> str:
    """The address without a zone, and as IPv4 where a socket of both families writes it as IPv6.

    >>> plain_address("::ffff:10.0.0.7"), plain_address("fe80::1%eth0"), plain_address("a name")
    ('10.0.0.7', 'fe80::1', 'a name')
    """
    bare = text.partition("%")[0]
    if not _is_address(bare):
        return text
    found = ipaddress.ip_address(bare)
    mapped = found.ipv4_mapped if found.version == 6 else None
    return str(mapped or found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

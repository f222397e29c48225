"""The certificate of a server: taken up anew when its files have changed, so that no restart is needed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import InputError

if TYPE_CHECKING:
    from ctrain.ports import Timer

LOOK_SECONDS = 1.0
Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate (with its chain) and its key."""

    chain: Path
    key: Path

    def check(self) -> None:
        """Raise InputError when they cannot be used together."""
        self.load()

    def load(self) -> ssl.SSLContext:
        """What a server needs of them; InputError when they cannot be used together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"--tls-cert {self.chain}, --tls-key {self.key}: {error}") from error
        return context

    def stamp(self) -> Stamp:
        """Another one whenever the files are others, also behind the same links; empty while one is away."""
        try:
            found = [path.stat() for path in (self.chain, self.key)]
        except OSError:
            return ()
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


class RenewedCertificate:
    """Gives every new connection the certificate as its files are by then, looked at once a second at most.

    Files that cannot be used, as while one of the two has been replaced, change nothing.
    """

    def __init__(self, certificate: Certificate, timer: Timer, log: Callable[..., None]) -> None:
        """Raise InputError when the certificate cannot be used."""
        self._certificate, self._timer, self._log = certificate, timer, log
        self._stamp, self._looked_at, self._told = certificate.stamp(), timer.monotonic(), ""
        self.newest = certificate.load()
        self.context = certificate.load()
        """For a server: of each connection it asks which one is the newest."""
        self.context.sni_callback = self._choose

    def look(self) -> None:
        """Take up the files if they have changed since the last look."""
        self._looked_at = self._timer.monotonic()
        stamp = self._certificate.stamp()
        if stamp == self._stamp:
            return
        try:
            self.newest = self._certificate.load()
        except InputError as error:
            if str(error) != self._told:
                self._log("certificate_failed", message=str(error))
            self._told = str(error)
            return
        self._stamp, self._told = stamp, ""
        self._log("certificate_renewed", chain=str(self._certificate.chain))

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext
    ) -> None:
        if self._timer.monotonic() - self._looked_at >= LOOK_SECONDS:
            self.look()
        connection.context = self.newest

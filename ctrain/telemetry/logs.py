"""The structured log: one event per line, to standard error, with secrets taken out."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any, TextIO

import structlog

from ctrain.errors import InputError
from ctrain.policy.secret_names import looks_secret
from ctrain.telemetry.levels import VARIABLE, Levels, read_levels, short_name

FORMAT_VARIABLE = "CTRAIN_LOG_FORMAT"
FORMATS = ("auto", "console", "json")
REDACTED = "***"

_USERINFO = re.compile(r"://[^/\s@]++@")
_WORDS = r"(?:token|key|secret|passw|sig)"
_QUERY = re.compile(
    rf"(?P<name>[?&](?:(?!{_WORDS})[^=&?\s])*+{_WORDS}[^=&\s]*+)(?P<value>=[^&\s\"']++)?", re.IGNORECASE
)
"""Both read a text once, however long and hostile it is: no quantifier gives back, and no match begins in
what another attempt has read. So a name is matched without a value, too, and then left as it is."""
_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]{6,})@")
"""Of an address: whoever is asked there may say it again without the rest."""
_QUOTED = frozenset(" \t=\r\n\"'")
"""A text that has one of these is quoted in lines for people."""
_SHORTEST_SECRET = 6
"""Shorter values are left alone: ``on`` or ``1`` would tear holes in every line."""


class Redactor:
    """Takes secrets out of text: of the environment by name, and those inside addresses.

    ``declared`` names further variables whose values are secrets.
    """

    def __init__(self, environ: Mapping[str, str], declared: Collection[str] = ()) -> None:
        secrets = {
            value
            for name, value in environ.items()
            if (name in declared or looks_secret(name)) and len(value) >= _SHORTEST_SECRET
        }
        secrets |= {password for value in environ.values() for password in _PASSWORD.findall(value)}
        self._secrets = sorted(secrets, key=len, reverse=True)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of the environment that are taken out, longest first."""
        return tuple(self._secrets)

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret replaced by ``***``."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        text = _USERINFO.sub(f"://{REDACTED}@", text)
        return _QUERY.sub(_without_value, text)

    def redact_value(self, value: Any) -> Any:
        """Return ``value`` with the secrets of every string in it replaced."""
        match value:
            case str():
                return self.redact(value)
            case Mapping():
                return {
                    key: REDACTED if _is_secret(key) else self.redact_value(one) for key, one in value.items()
                }
            case list() | tuple() | set() | frozenset():
                return [self.redact_value(one) for one in value]
            case bool() | int() | float() | None:
                return value
            case _:
                return self.redact(str(value))


def _without_value(found: re.Match[str]) -> str:
    return f"{found['name']}={REDACTED}" if found["value"] else found[0]


class EventLog:
    """Writes events at a level that follows from them, and names the module that tells them.

    A line that cannot be written, where the disk of the log is full or nobody reads it any more, is left
    out: whoever tells of a fault must not end for it. The next line that can be is preceded by their number.
    """

    def __init__(self, logger: Any, levels: Levels | None = None) -> None:
        self._logger = logger
        self._levels = levels or Levels()
        self._lost = 0

    def log(self, event: str, **fields: object) -> None:
        """Write one line; ``traceback`` makes it an error, a name ending in _failed a warning."""
        if "traceback" in fields:
            level = "error"
        elif event.endswith(("_failed", "_unreadable", "_refused")):
            level = "warning"
        else:
            level = "info"
        self._write(level, _telling_module(), event, fields)

    def debug(self, module: str, event: str, **fields: object) -> None:
        """Write one line of a module that is looked at closely."""
        self._write("debug", module, event, fields)

    def allows(self, level: str, module: str) -> bool:
        """True when lines of this level of the module are written."""
        return self._levels.allows(level, module)

    def _write(self, level: str, module: str, event: str, fields: Mapping[str, object]) -> None:
        if not self._levels.allows(level, module):
            return
        try:
            if self._lost:
                self._logger.warning("log_lines_lost", logger="telemetry.logs", lines=self._lost)
                self._lost = 0
            getattr(self._logger, level)(event, **{"logger": module, **fields})
        except OSError:
            self._lost += 1


def open_log(environ: Mapping[str, str], stream: TextIO | None = None) -> EventLog:
    """A log on ``stream`` (standard error), without the secrets of ``environ``.

    ``CTRAIN_LOG_FORMAT`` is ``console``, ``json`` or ``auto``: lines for a person on a terminal, JSON
    elsewhere. ``CTRAIN_LOG_LEVEL`` is a level, and levels of modules. Raises InputError for anything else.
    """
    log_format = environ.get(FORMAT_VARIABLE) or "auto"
    if log_format not in FORMATS:
        raise InputError(f"{FORMAT_VARIABLE}: expected one of {', '.join(FORMATS)}, got {log_format!r}")
    stream = stream or sys.stderr
    redactor = Redactor(environ)
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )

    def redact(_logger: Any, _method: str, event: Any) -> Any:
        return redactor.redact_value(event)

    logger = structlog.wrap_logger(
        structlog.WriteLogger(stream),  # a line is one write: workers share the stream
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            *([_harmless] if console else []),
            renderer,
        ],
        wrapper_class=structlog.BoundLogger,
    )
    return EventLog(logger, read_levels(environ.get(VARIABLE) or ""))


def _harmless(_logger: Any, _method: str, event: Any) -> Any:
    """The event with control characters of its texts as escapes: they may come from names of files."""
    return {key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _escaped(text: str) -> str:
    """What the renderer for people writes as it is; it quotes and escapes texts of several words itself."""
    if text.isprintable() or not _QUOTED.isdisjoint(text):
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _telling_module() -> str:
    """The module that told an event: the nearest caller outside of this package."""
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(__package__ or ""):
        frame = frame.f_back
    return short_name(str(frame.f_globals.get("__name__", ""))) if frame is not None else ""


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and looks_secret(key)

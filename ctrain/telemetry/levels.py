"""From which level on a module of ctrain logs: ``info,engine=debug,app.kept_child=error``."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field

import ctrain
from ctrain.errors import InputError

VARIABLE = "CTRAIN_LOG_LEVEL"
LEVELS = ("debug", "info", "warning", "error")
_PACKAGE = "ctrain."


@dataclass(frozen=True, slots=True)
class Levels:
    """The level of each module: that of the longest name before it, or the general one."""

    general: int = LEVELS.index("info")
    of: Mapping[str, int] = field(default_factory=dict)

    def allows(self, level: str, module: str) -> bool:
        """True when a line of this level is written.

        >>> levels = read_levels("warning,engine=debug")
        >>> levels.allows("debug", "engine.ingest"), levels.allows("info", "app.reload")
        (True, False)
        """
        names = [name for name in self.of if module == name or module.startswith(f"{name}.")]
        least = self.of[max(names, key=len)] if names else self.general
        return LEVELS.index(level) >= least


def read_levels(text: str) -> Levels:
    """Return what the text says; the part without a name is the general level.

    Raises
    ------
    InputError
        when a level or a module is not known.
    """
    general, of = Levels().general, {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, named, word = part.rpartition("=")
        level = word.strip().lower()
        if level not in LEVELS:
            raise InputError(f"{VARIABLE}: expected one of {', '.join(LEVELS)}, got {word.strip()!r}")
        if named:
            of[_known(name.strip())] = LEVELS.index(level)
        else:
            general = LEVELS.index(level)
    return Levels(general, of)


def short_name(module: str) -> str:
    """Return how a module is called in the log.

    >>> short_name("ctrain.engine.ingest"), short_name("__main__")
    ('engine.ingest', '__main__')
    """
    return module.removeprefix(_PACKAGE)


def _known(name: str) -> str:
    short = short_name(name)
    modules = sorted(one.name for one in pkgutil.iter_modules(ctrain.__path__) if one.name != "__main__")
    if short.partition(".")[0] not in modules:
        raise InputError(f"{VARIABLE}: there is no module {name!r}; there are {', '.join(modules)}")
    return short

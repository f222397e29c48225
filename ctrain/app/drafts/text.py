"""The text of a first policy: the template, filled with what a file told, each choice with its reason."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from importlib.resources import files
from string import Template

from ctrain.app.drafts.choices import Findings, chosen_values
from ctrain.app.drafts.features import Chosen
from ctrain.app.drafts.wording import printable, scalar
from ctrain.policy.data import is_own_column

_ALONE = re.compile(r"\s*\$\w+\s*")
_WIDTH = 110
_COMMENTS = 32
"""Column in which comments begin, where there is room."""


def policy_text(found: Findings) -> str:
    """Return the YAML of the policy."""
    named = _own_names(found)
    values = {
        **chosen_values(found),
        "features": _features(found.chosen, named),
        "renamed": _renamed(named),
    }
    template = files("ctrain.app.drafts").joinpath("policy.yaml.txt").read_text("utf-8")
    lines = (_filled(line, values) for line in template.splitlines())
    return "\n".join(line for line in lines if line is not None) + "\n"


def training_text(policy: str) -> str:
    """Return the Python file that trains."""
    template = files("ctrain.app.drafts").joinpath("training.py.txt").read_text("utf-8")
    return template.replace("POLICY", policy, 1)


def _filled(line: str, values: Mapping[str, str]) -> str | None:
    """A line of the template, its comment in line with the others; None: there is nothing to say."""
    code, sign, comment = (Template(part).substitute(values) for part in line.partition("  # "))
    if _ALONE.fullmatch(line) and not code.strip():
        return None
    return f"{code:<{_COMMENTS}}{sign}{comment}" if sign and code.strip() else f"{code}{sign}{comment}"


def _features(chosen: Chosen, named: Mapping[str, str]) -> str:
    lines = ["  features:"]
    for kind, names in chosen.by_kind.items():
        lines += _wrapped(f"    {kind}: [{', '.join(scalar(named[name]) for name in names)}]", "      ")
    if chosen.left_out:
        lines.append("  # Left out; the files have these columns, so that one may be named above:")
        lines += [f"  # - {scalar(name)}: {printable(why)}" for name, why in chosen.left_out.items()]
    return "\n".join(lines)


def _renamed(named: Mapping[str, str]) -> str:
    renamed = [f"{scalar(own)}: {scalar(name)}" for name, own in named.items() if own != name]
    return f"  columns: {{{', '.join(renamed)}}}   # names that ctrain uses itself" if renamed else ""


def _own_names(found: Findings) -> dict[str, str]:
    """What features are called in the policy: another name where theirs is one of the row log."""
    history = found.history
    taken = {*found.chosen.names, history.label.name, history.id_column, history.time_column}
    named = {}
    for name in found.chosen.names:
        named[name] = name
        if is_own_column(name):
            named[name] = f"{name.replace(':', '_')}_feature"
            while named[name] in taken:
                named[name] += "_"
        taken.add(named[name])
    return named


def _wrapped(line: str, indent: str) -> Iterator[str]:
    """A list in several lines; quoted names are not torn."""
    if len(line) <= _WIDTH or '"' in line:
        yield line
    else:
        yield from textwrap.wrap(
            line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )

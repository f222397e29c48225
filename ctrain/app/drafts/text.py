"""The text of a first policy: the template, filled with what a file told, each choice with its reason."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from importlib.resources import files
from string import Template

from ctrain.app.drafts.choices import Findings, chosen_values
from ctrain.app.drafts.features import Chosen
from ctrain.app.drafts.wording import scalar
from ctrain.policy.data import is_own_column

_ALONE = re.compile(r"\s*\$\w+\s*")
_WIDTH = 110
_COMMENTS = 32
"""Column in which comments begin, where there is room."""


def policy_text(found: Findings) -> str:
    """Return the YAML of the policy."""
    values = {
        **chosen_values(found),
        "features": _features(found.chosen),
        "renamed": _renamed(found.chosen),
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


def _features(chosen: Chosen) -> str:
    lines = ["  features:"]
    for kind, names in chosen.by_kind.items():
        lines += _wrapped(f"    {kind}: [{', '.join(scalar(_own(name)) for name in names)}]", "      ")
    if chosen.left_out:
        lines.append("  # Left out; the files have these columns, so that one may be named above:")
        lines += [f"  # - {scalar(name)}: {reason}" for name, reason in chosen.left_out.items()]
    return "\n".join(lines)


def _renamed(chosen: Chosen) -> str:
    """Features whose names the row log uses itself get other ones."""
    renamed = [f"{scalar(_own(name))}: {scalar(name)}" for name in chosen.names if is_own_column(name)]
    return f"  columns: {{{', '.join(renamed)}}}   # names that ctrain uses itself" if renamed else ""


def _own(name: str) -> str:
    return f"{name.replace(':', '_')}_feature" if is_own_column(name) else name


def _wrapped(line: str, indent: str) -> Iterator[str]:
    """A list in several lines; quoted names are not torn."""
    if len(line) <= _WIDTH or '"' in line:
        yield line
    else:
        yield from textwrap.wrap(
            line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )

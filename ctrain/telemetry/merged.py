"""Expositions of several processes as one, as if one process had told them.

All of them come from the same catalog, in the same order. What speaks of a policy is told by whoever watches
it; where two do for a moment, while the policy goes from one to the other, the first one counts. What speaks
of a process gets a label more, the name of the process: a sum of counters would fall whenever one ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ctrain.telemetry.catalog import CATALOG, PREFIX

PROCESS = "worker"
"""The label."""
_END_OF_OPENMETRICS = "# EOF"
_OF_POLICIES = frozenset(
    name
    for metric in CATALOG.values()
    if "policy" in metric.labels
    for name in (PREFIX + metric.name, (PREFIX + metric.name).removesuffix("_total"))
)


@dataclass(slots=True)
class _Family:
    head: list[str] = field(default_factory=list)
    series: dict[str, str] = field(default_factory=dict)
    """Values by name and labels."""


def merged(told: Mapping[str, bytes]) -> bytes:
    r"""What the processes ``told``, by their names, as one exposition of the same format.

    >>> one, two = (
    ...     b"# HELP ctrain_daemons D\n# TYPE ctrain_daemons gauge\nctrain_daemons %d\n" % n for n in (1, 2)
    ... )
    >>> print(merged({"0": one, "1": two}).decode(), end="")
    # HELP ctrain_daemons D
    # TYPE ctrain_daemons gauge
    ctrain_daemons{worker="0"} 1
    ctrain_daemons{worker="1"} 2
    """
    families: dict[str, _Family] = {}
    ended = False
    for process, text in told.items():
        for name, line in _lines(text):
            family = families.setdefault(name, _Family())
            if line.startswith("#"):
                if line not in family.head:
                    family.head.append(line)
                continue
            series, _, value = line.rpartition(" ")
            series = series if name in _OF_POLICIES else _labelled(series, process)
            family.series.setdefault(series, value)
        ended = ended or text.endswith(f"{_END_OF_OPENMETRICS}\n".encode())
    parts = [
        line
        for family in families.values()
        for line in (*family.head, *(f"{series} {value}" for series, value in family.series.items()))
    ]
    return "\n".join([*parts, *([_END_OF_OPENMETRICS] if ended else []), ""]).encode()


def _lines(text: bytes) -> Iterator[tuple[str, str]]:
    """Each line with the name of its family."""
    name = ""
    for line in text.decode().split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
        if line and line != _END_OF_OPENMETRICS:
            yield name, line


def _labelled(series: str, process: str) -> str:
    """A series with the name of its process as the first label."""
    name, brace, labels = series.partition("{")
    label = f'{PROCESS}="{process}"'
    return f"{name}{{{label},{labels}" if brace else f"{name}{{{label}}}"

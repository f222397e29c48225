"""Counters and gauges of one name: a scrape of tens of thousands of them is text that is put together.

A client library keeps an object with a lock for each of them, and makes several more at each scrape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ctrain.telemetry.catalog import PREFIX, Kind, Metric

NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


@dataclass(slots=True)
class _Sample:
    head: str
    """Name and labels, as they stand before the value."""
    value: float = 0.0


@dataclass(slots=True)
class Family:
    """All series of one counter or gauge, by the values of its labels.

    Whoever writes sees to it that nobody else does; reading goes on beside that.
    """

    metric: Metric
    _samples: dict[tuple[str, ...], _Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.metric.labels:
            self.add((), 0.0)

    def add(self, values: tuple[str, ...], amount: float) -> None:
        """Add to a series, which exists from then on; ValueError when a counter would go down."""
        if amount < 0 and self.metric.kind is Kind.COUNTER:
            raise ValueError(f"{self.metric.name}: a counter goes up only, not by {amount}")
        self._sample(values).value += amount

    def set(self, values: tuple[str, ...], value: float) -> None:
        """Set a series, which exists from then on."""
        self._sample(values).value = float(value)

    def remove(self, values: tuple[str, ...]) -> None:
        """Forget a series; nothing happens where there is none."""
        self._samples.pop(values, None)

    def lines(self, *, openmetrics: bool) -> Iterator[str]:
        """Everything as text; the families of OpenMetrics's counters go by a name without its end."""
        name = PREFIX + self.metric.name
        if openmetrics and self.metric.kind is Kind.COUNTER:
            name = name.removesuffix("_total")
        yield f"# HELP {name} {escaped(self.metric.help, quotes=openmetrics)}\n"
        yield f"# TYPE {name} {self.metric.kind}\n"
        yield "".join([f"{one.head} {_number(one.value)}\n" for one in list(self._samples.values())])

    def _sample(self, values: tuple[str, ...]) -> _Sample:
        found = self._samples.get(values)
        if found is None:
            found = self._samples[values] = _Sample(self._head(values))
        return found

    def _head(self, values: tuple[str, ...]) -> str:
        pairs = sorted(zip(self.metric.labels, values, strict=True))
        labels = ",".join(f'{label}="{escaped(value, quotes=True)}"' for label, value in pairs)
        return PREFIX + self.metric.name + (f"{{{labels}}}" if labels else "")


def escaped(text: str, *, quotes: bool) -> str:
    r"""Return the text as it may stand in a line.

    >>> print(escaped('a "b"\n', quotes=True))
    a \"b\"\n
    """
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    return repr(value) if value - value == 0 else NOT_FINITE[repr(value)]

"""What the demo shows while it plays: a live page on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from ctrain.demo.ledger import Means
from ctrain.demo.sight import Sight
from ctrain.demo.story import Act, run_of, staged_as
from ctrain.domain import Phase, Status

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

LOG_LINES = 14
PLAIN_EVERY_DAYS = 7
STYLES = {Status.OK: "green", Status.BREACHED: "bold red", Status.INCONCLUSIVE: "dim"}
TOLD = {
    "run_queued": "fired",
    "run_shadowing": "in shadow",
    "promoted": "PROMOTED",
    "run_accepted": "accepted",
    "run_rejected": "REJECTED",
    "run_rolling_back": "rolling back",
    "run_rolled_back": "ROLLED BACK",
    "run_failed": "FAILED",
    "run_superseded": "superseded",
}
"""Kinds of events that the log shows, in the words of a reader, and in the order of a run."""
RANKS = {kind: rank for rank, kind in enumerate(TOLD)}


@dataclass(frozen=True, slots=True)
class Page:
    """Everything there is to show after a step."""

    now: datetime
    act: Act
    rows: int
    labels: int
    sight: Sight
    overall: Means
    """Since the first retrained champion, without what a sabotaged model served."""
    recent: Means
    """Of the last fortnight."""
    metrics_address: str


class Screen(Protocol):
    """Where pages and lines go."""

    def __enter__(self) -> Screen: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, page: Page) -> None:
        """Show the state after a step."""

    def say(self, now: datetime, line: str) -> None:
        """Add a line to the log."""


def open_screen(stream: TextIO = sys.stderr) -> Screen:
    """Return a live page when ``stream`` is a terminal, else plain lines."""
    return LiveScreen() if stream.isatty() else PlainScreen(stream)


class PlainScreen:
    """A line for each event, and one a simulated week in between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._steps: datetime | None = None

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, page: Page) -> None:
        for line in tell(page.sight):
            print(line, file=self._stream)
        if self._steps is None or (page.now - self._steps).days >= PLAIN_EVERY_DAYS:
            self._steps = page.now
            print("  ".join([f"{page.now:%Y-%m-%d}", *status_line(page)]), file=self._stream, flush=True)

    def say(self, now: datetime, line: str) -> None:
        print(f"{now:%Y-%m-%d}  {line}", file=self._stream, flush=True)


class LiveScreen:
    """One page that is drawn anew after each step."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._live: Live | None = None

    def __enter__(self) -> LiveScreen:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, page: Page) -> None:
        self._lines.extend(tell(page.sight))
        if self._live is not None:
            self._live.update(self._drawn(page), refresh=True)

    def say(self, now: datetime, line: str) -> None:
        self._lines.append(f"{now:%Y-%m-%d}  {line}")

    def _drawn(self, page: Page) -> Group:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        head = Text.assemble((f"{page.now:%a %d %b %Y}", "bold"), "   ", "   ".join(status_line(page)))
        verdicts = Table("monitor", "verdict", "value", "threshold", "n", "reason", expand=True)
        for one in page.sight.verdicts:
            verdicts.add_row(
                one.monitor,
                Text(one.status.value, style=STYLES[one.status]),
                _figure(one.value),
                _figure(one.threshold),
                f"{one.n:,}",
                Text(one.reason, overflow="ellipsis", no_wrap=True),
            )
        log = Text("\n".join(self._lines), overflow="ellipsis", no_wrap=True)
        foot = Text(f"metrics: http://{page.metrics_address}/metrics", style="dim")
        return Group(
            Panel(head, title="ctrain demo: flights from New York, 2013"),
            verdicts,
            Panel(log, title="decisions"),
            foot,
        )


def status_line(page: Page) -> list[str]:
    """Return rows, champion, run phase and the metric beside the frozen first model's, as short texts.

    What the metric counts is the last fortnight; in brackets, everything since retraining began but
    for what the sabotaged model served.
    """
    sight = page.sight
    parts = [f"{page.rows:,} flights", f"champion {sight.champion or 'none'}"]
    active = next((run for run in sight.runs if not run.phase.ended), None)
    if active is not None:
        mark = "STAGED " if staged_as(active) else ""
        days = f", {sight.blocks} blocks" if active.phase in {Phase.SHADOWING, Phase.PROBATION} else ""
        parts.append(f"{mark}{active.id} {active.phase.value}{days}")
    if page.recent.rows:
        parts.append(f"Brier 14d: live {page.recent.live:.3f}, frozen {page.recent.frozen:.3f}")
    if page.overall.rows:
        parts.append(f"(all: {page.overall.live:.4f}, {page.overall.frozen:.4f})")
    return parts


def tell(sight: Sight) -> list[str]:
    """Return a line for each new event that matters to a reader, marked where its run is staged.

    A run that monitors started is followed by what they saw.
    """
    by_id = {run.id: run for run in sight.runs}
    told = [
        (event, by_id[event.run_id]) for event in sight.events if event.kind in TOLD and event.run_id in by_id
    ]
    told.sort(key=lambda one: (one[0].at, one[1].created_at, RANKS[one[0].kind]))
    lines = []
    for event, run in told:
        staged = "STAGED " if staged_as(run) else ""
        first = "first model " if run is run_of(sight.runs, Act.FIRST_MODEL) else ""
        lines.append(f"{event.at:%Y-%m-%d}  {staged}{first}{run.id} {TOLD[event.kind]}: {event.message}")
        if event.kind == "run_queued":
            seen = sight.grounds.get(run.id, ())
            lines += [f"{'':12}{verdict.monitor}: {verdict.reason}" for verdict in seen]
    return lines


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

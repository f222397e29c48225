"""Servers of production metrics."""

from __future__ import annotations

from typing import Protocol

from ctrain.domain import MetricQuery, Sample


class MetricServer(Protocol):
    """Answers PromQL; never blocks."""

    def ask(self, key: str, query: MetricQuery) -> Sample | None:
        """Return the answer to the question that is under way under ``key``, None until it has come.

        The first call, and the one after an answer, asks anew. A server that cannot be reached, refuses
        or does not understand is an answer, too: one with a ``problem``.
        """

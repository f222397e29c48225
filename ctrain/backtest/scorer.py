"""Scoring in children, and whether one is at work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import ScoreJob, ScoreStatus

if TYPE_CHECKING:
    from ctrain.ports import Scorer


class WatchedScorer:
    """A ``Scorer`` that knows whether a child is at work; its keys are of one strategy only."""

    def __init__(self, scorer: Scorer, owner: str) -> None:
        self._scorer, self._owner = scorer, owner
        self._under_way: set[str] = set()

    @property
    def working(self) -> bool:
        """True while a child is at work, as far as ``take_ended`` knows."""
        return bool(self._under_way)

    def take_ended(self) -> bool:
        """True when something has ended since the last look: there may be an answer to collect."""
        ended = {key for key in self._under_way if self._scorer.poll(key).state != "running"}
        self._under_way -= ended
        return bool(ended)

    def submit(self, job: ScoreJob) -> None:
        own = self._own(job.key)
        self._under_way.add(own)
        self._scorer.submit(replace(job, key=own))

    def poll(self, key: str) -> ScoreStatus:
        return self._scorer.poll(self._own(key))

    def forget(self, key: str) -> None:
        self._scorer.forget(self._own(key))

    def _own(self, key: str) -> str:
        return f"{self._owner}/{key}"

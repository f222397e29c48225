"""Scoring in children, which takes no time on the virtual clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.clocks import wait_for
from ctrain.domain import ScoreJob, ScoreStatus
from ctrain.errors import TransientError

if TYPE_CHECKING:
    from ctrain.ports import Scorer

PATIENCE_SECONDS = 3600.0
PAUSE_SECONDS = 0.001


class PatientScorer:
    """A ``Scorer`` that waits for the answer whenever it is asked for one; its keys are of one strategy.

    Nothing else could happen meanwhile: the clock stands still until the answer is there.
    """

    def __init__(self, scorer: Scorer, owner: str) -> None:
        self._scorer, self._owner = scorer, owner

    def submit(self, job: ScoreJob) -> None:
        self._scorer.submit(replace(job, key=self._own(job.key)))

    def poll(self, key: str) -> ScoreStatus:
        """What came of the job.

        Raises
        ------
        TransientError
            when the child does not answer for an hour.
        """
        own = self._own(key)
        if not wait_for(lambda: self._scorer.poll(own).state != "running", PATIENCE_SECONDS, PAUSE_SECONDS):
            raise TransientError("scoring takes too long; is the machine busy?")
        return self._scorer.poll(own)

    def forget(self, key: str) -> None:
        self._scorer.forget(self._own(key))

    def _own(self, key: str) -> str:
        return f"{self._owner}/{key}"

"""Analyses in child processes."""

from __future__ import annotations

from typing import Protocol

from ctrain.domain import AnalysisJob, AnalysisStatus


class Analyst(Protocol):
    """Answers questions on tables of the workspace in a child process; never blocks."""

    def submit(self, job: AnalysisJob) -> None:
        """Queue the job unless its key is known already."""

    def poll(self, key: str) -> AnalysisStatus:
        """What has become of the job; its answer is found again after a restart."""

    def forget(self, key: str) -> None:
        """Drop what is known of a job that failed, so that it may be submitted again."""

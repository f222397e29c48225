"""Secrets that a training prints do not stay on disk, however it prints them and whoever looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import JobState, JobStatus, RunId
from ctrain.launchers import log_secrets
from ctrain.launchers.dask import LauncherByJob
from ctrain.launchers.job_folder import JobFolder
from ctrain.launchers.log_secrets import LogSecrets, overwrite

ENVIRON = {
    "WAREHOUSE": "h1dden-word",
    "MY_TOKEN": "s3cret-key",
    "STORE": "s3://ann:pass-word@store",
    "HOME": "/home/ann",
}
RUN = RunId("clicks-1")


class Ends:
    """A launcher whose training is over after so many looks; it prints a last line as it ends."""

    def __init__(self, looks: int, log: Path, last: str) -> None:
        self.left, self.log, self.last = looks, log, last

    def poll(self, *_: object) -> JobStatus:
        self.left -= 1
        if self.left:
            return JobStatus(JobState.RUNNING)
        self._print_last()
        return JobStatus(JobState.SUCCEEDED, result={})

    def stop(self, *_: object) -> None:
        self._print_last()

    def _print_last(self) -> None:
        with self.log.open("a") as log:
            log.write(self.last)


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    (tmp_path / "job.json").write_text(json.dumps({"env": ["WAREHOUSE", "NOT_SET"]}))
    return JobFolder(tmp_path)


def launcher(job: JobFolder, looks: int, last: str) -> Any:
    ends: Any = Ends(looks, job.log_path, last)
    return LauncherByJob(ends, ends, LogSecrets(ENVIRON))


def test_what_a_training_prints_is_written_over_at_each_look_and_at_its_end(job: JobFolder) -> None:
    by_job = launcher(job, 3, "at last: s3cret-key\n")
    with job.log_path.open("a") as log:
        log.write("by h1dden-word, at /home/ann, s3cr")
        log.flush()
        assert by_job.poll(RUN, 1, str(job.path)).state is JobState.RUNNING
        assert job.log_path.read_text() == "by ***********, at /home/ann, s3cr"
        log.write("et-key, s3://ann:pass-word@store\n")
    assert by_job.poll(RUN, 1, str(job.path)).state is JobState.RUNNING
    shown = "by ***********, at /home/ann, **********, s3://ann:*********@store\n"
    assert job.log_path.read_text() == shown
    assert by_job.poll(RUN, 1, str(job.path)).state is JobState.SUCCEEDED
    assert job.log_path.read_text() == f"{shown}at last: **********\n"


def test_a_training_that_is_stopped_leaves_no_secret(job: JobFolder) -> None:
    launcher(job, 9, "s3cret-key").stop(RUN, 1, str(job.path))
    assert job.log_path.read_text() == "**********"


def test_another_daemon_looks_from_the_beginning(job: JobFolder) -> None:
    job.log_path.write_text("s3cret-key\n")
    assert launcher(job, 9, "").poll(RUN, 1, str(job.path)).state is JobState.RUNNING
    assert job.log_path.read_text() == "**********\n"


def test_a_training_without_a_log_has_nothing_to_hide(job: JobFolder) -> None:
    LogSecrets(ENVIRON).take_out(job, over=False)
    assert not job.log_path.exists()


@pytest.mark.parametrize("before", [0, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 32])
def test_a_secret_is_found_wherever_blocks_of_a_log_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(log_secrets, "BLOCK_BYTES", 16)
    path, secrets = tmp_path / "train.log", [b"s3cret-key", b"s3cret", "gehe\u00efm".encode()]
    words = b"y" * before + b"s3cret-key" + b"z" * 9 + "gehe\u00efm".encode() + b"s3cret"
    path.write_bytes(words)
    end = overwrite(path, secrets)
    assert path.read_bytes() == b"y" * before + b"*" * 10 + b"z" * 9 + b"*" * 13
    assert end == len(words) - 9
    assert overwrite(path, [], 7) == 7

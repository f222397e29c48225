"""Why a training failed is told in words that name the limit; a log ends with the last words of a command."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from ctrain.child.command import CommandFailed
from ctrain.child.failures import explained, print_failure

JOB = {"memory_limit_bytes": 2 * 10**9, "file_limit_bytes": 3 * 10**9}


@pytest.mark.parametrize(
    ("error", "printed"), [(CommandFailed("it ended with 3"), 0), (ValueError("there is no x"), 1)]
)
def test_what_a_command_said_last_stays_the_last_of_the_log(
    error: Exception, printed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - as user code may raise anything
        print_failure(caught)
    assert capfd.readouterr().err.count("Traceback") == printed


def test_a_log_that_takes_nothing_more_hides_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as closed:  # noqa: PTH123 - a stream
        pass
    monkeypatch.setattr(sys, "stderr", closed)
    with pytest.raises(ValueError, match="closed file"):
        sys.stderr.write("a line")
    print_failure(ValueError("there is no x"))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CommandFailed("train.command ended with 3"), "train.command ended with 3"),
        (ValueError("there is no x"), "ValueError: there is no x"),
        (MemoryError(), "training needs more memory than train.memory_limit allows (2.0 GB): MemoryError: "),
        (
            RuntimeError("can't start new thread"),
            "training needs more memory than train.memory_limit allows (2.0 GB): "
            "RuntimeError: can't start new thread",
        ),
        (
            OSError(errno.EFBIG, "File too large"),
            "a file or the log of training is larger than train.file_limit allows (3.0 GB): "
            "OSError: [Errno 27] File too large",
        ),
    ],
)
def test_a_limit_that_was_met_is_named(error: Exception, told: str) -> None:
    assert explained(error, JOB) == told

"""When the dask cluster of this machine is started again."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from ctrain.children import ChildGone
from ctrain.launchers.local_cluster import LONGEST_PAUSE_SECONDS, LocalDask
from tests.support.notices import SetTimer
from tests.waiting import wait_until

ENDS = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit('no port is free')"
COMES_UP = 'import sys; print(\'{"address": "tls://127.0.0.1:9"}\', flush=True); sys.stdin.read()'


def is_down(local: LocalDask) -> bool:
    return local.pid is None


def test_one_that_does_not_come_up_is_tried_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    timer, log = SetTimer(), tmp_path / "starts"
    local = LocalDask([sys.executable, "-S", "-c", ENDS, str(log)], {}, timer)
    for starts, pause in enumerate((0.0, 5.0, 10.0, 20.0, 40.0), start=1):
        local.place()
        wait_until(partial(is_down, local), 10.0, "the end of the cluster")
        assert log.read_text() == "x" * starts
        if pause:
            timer.seconds += pause - 0.1
            with pytest.raises(ChildGone, match="the local cluster ended: no port is free"):
                local.place()
            timer.seconds += 0.1
    for _ in range(4):
        timer.seconds += LONGEST_PAUSE_SECONDS
        local.place()
        wait_until(partial(is_down, local), 10.0, "the end of the cluster")
    assert log.read_text() == "x" * 9
    local.close()


def test_one_that_had_come_up_is_started_again_at_once() -> None:
    local = LocalDask([sys.executable, "-S", "-c", COMES_UP], {}, SetTimer())
    try:
        for _ in range(2):
            local.place()
            wait_until(lambda: local.place() is not None, 10.0, "the address of the cluster")
            assert local.pid is not None

            os.kill(local.pid, signal.SIGKILL)
            wait_until(partial(is_down, local), 10.0, "the end of the cluster")
        assert local.place() is None
    finally:
        local.close()

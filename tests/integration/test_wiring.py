"""What a daemon is made of: what its processes share, and by what it knows that it is busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.app.wiring import Shell, close_shell, open_quiet_telemetry, open_shell
from ctrain.engine.profile_memory import DAEMON_BYTES
from ctrain.settings import Settings

PROCESSES = 4


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = open_shell(Settings.load(tmp_path / "home", {}), open_quiet_telemetry({}), processes=PROCESSES)
    yield opened
    close_shell(opened)


def test_each_process_has_its_part_of_the_memory_for_profiles(shell: Shell) -> None:
    users = [frozenset({number}) for number in range(8)]
    for user in users:
        shell.profile_memory.join(user)
    assert shell.profile_memory.share * len(users) * PROCESSES == DAEMON_BYTES


def test_the_pace_goes_by_the_time_of_the_processor(shell: Shell) -> None:
    began = shell.pace.cpu()
    assert sum(range(2_000_000)) > 0
    assert shell.pace.cpu() > began

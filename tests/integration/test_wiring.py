"""What a daemon is made of: what its processes share, and by what it knows that it is busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.app.wiring import Shell, close_shell, open_quiet_telemetry, open_shell, watch_policy
from ctrain.domain import PolicyName, TriggerName, TriggerState
from ctrain.engine.profile_memory import DAEMON_BYTES
from ctrain.policy.files import parse_policy
from ctrain.settings import Settings
from tests.support.world import POLICY, START

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


def test_a_condition_that_is_edited_begins_anew(shell: Shell, tmp_path: Path) -> None:
    path, policy = tmp_path / "clicks.yaml", PolicyName("clicks")
    met = TriggerState(TriggerName("degraded"), met_since=START, as_of=START, last_met_at=START)
    watch_policy(shell, parse_policy(POLICY, path, {}), None)
    with shell.store.write() as tx:
        tx.save_trigger_state(policy, met)
    found = []
    for text in (POLICY, POLICY.replace("above: 0.24", "above: 0.3")):
        watch_policy(shell, parse_policy(text, path, {}), None)
        with shell.store.read() as tx:
            found.append(tx.trigger_state(policy, met.trigger))
    assert found == [met, TriggerState(met.trigger, as_of=START)]

"""The unit of systemd: systemd itself reads it, and it asks for nothing that ctrain does not need."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "ctrain.service"
EXPOSURE = 20
"""In tenths of the scale on which systemd calls 9.6 unsafe, and below 3 good."""

pytestmark = pytest.mark.service("systemd-analyze")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it is where its program is installed."""
    text = UNIT.read_text()
    program = "/opt/ctrain/bin/ctrain"
    assert program in text
    unit = tmp_path / "ctrain.service"
    unit.write_text(text.replace(program, "/bin/true"))
    return unit


def test_systemd_understands_every_line(installed: Path) -> None:
    read = analyze("verify", "--recursive-errors=no", "--man=no", str(installed))
    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


def test_systemd_would_complain_about_a_line_that_it_does_not_know(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("PrivateTmp=yes", "PrivateTemp=yes"))
    read = analyze("verify", "--recursive-errors=no", "--man=no", str(installed))
    assert "PrivateTemp" in read.stderr


def test_it_is_confined(installed: Path) -> None:
    confined = ("security", "--offline=true", f"--threshold={EXPOSURE}")
    assert analyze(*confined, str(installed)).returncode == 0
    installed.write_text(installed.read_text().replace("CapabilityBoundingSet=\n", ""))
    assert analyze(*confined, str(installed)).returncode == 1


def test_what_the_daemon_counts_on() -> None:
    unit = configparser.RawConfigParser(strict=False, allow_no_value=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd have capitals
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify", "it says when it is ready"
    assert service["WatchdogSec"] == "2min", "it says that it lives"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["KillMode"] == "mixed", "the daemon ends its children itself; none is left behind"
    assert service["OOMPolicy"] == "continue", "a training that was too large does not end the daemon"
    assert service["RestartPreventExitStatus"] == "2", "bad input is not mended by trying again"
    assert "ProcSubset" not in service, "leases are read by who lives, in /proc"
    assert "ProtectProc" not in service

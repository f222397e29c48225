"""``ctrain run`` on what it cannot use, and beside an MLflow that does not answer."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from tests.support.live import POLICY, LiveClicks, environment, open_live
from tests.support.ports import free_port
from tests.waiting import wait_until

NO_MLFLOW = "http://ann:hunter22@127.0.0.1:{port}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    policies = tmp_path / "policies"
    policies.mkdir()
    return policies


@pytest.fixture
def refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What ``ctrain run`` says before it ends with 2; nothing of MLflow is created."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NO_MLFLOW.format(port=free_port()))

    def run(*options: str, path: Path | None = None) -> str:
        arguments = ["run", str(path or folder), "--home", str(tmp_path / "home"), *options]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2, (done.output, done.exception)
        assert "Traceback" not in done.output
        return str(done.stderr)

    return run


def test_a_folder_without_policies_is_refused(refused: Callable[..., str], folder: Path) -> None:
    assert refused() == f"{folder}: the directory holds no policy (*.yaml, *.yml)\n"
    missing = folder / "clicks.yaml"
    assert refused(path=missing) == f"{missing}: cannot be read: No such file or directory\n"


def test_an_invalid_policy_is_named_by_file_line_and_key(refused: Callable[..., str], folder: Path) -> None:
    file = folder / "clicks.yaml"
    file.write_text(POLICY.replace("cooldown: 6h", "cooldwon: 6h"))
    line = next(number for number, text in enumerate(POLICY.splitlines(), 1) if "cooldown" in text)
    assert refused().startswith(f"{file}:{line}: limits.cooldwon: ")


def test_every_problem_of_every_file_at_once(refused: Callable[..., str], folder: Path) -> None:
    (folder / "a.yaml").write_text(POLICY.replace("cooldown: 6h", "cooldwon: 6h"))
    (folder / "b.yaml").write_text(
        POLICY.replace("policy: clicks", "policy: b").replace("pane: 1h", "pane: x")
    )
    told = refused()
    assert f"{folder / 'a.yaml'}:" in told
    assert f"{folder / 'b.yaml'}:" in told


def test_a_part_that_is_not_available_is_named_by_its_key(refused: Callable[..., str], folder: Path) -> None:
    file = folder / "clicks.yaml"
    file.write_text(POLICY.replace("retries: 0}", "retries: 0, launcher: {type: kubernetes}}"))
    told = refused()
    assert told.startswith(f"{file}: train.launcher.type: ")
    assert told.endswith("is not available in this version of ctrain\n")


def test_two_policies_on_one_champion(refused: Callable[..., str], folder: Path) -> None:
    (folder / "a.yaml").write_text(POLICY)
    (folder / "b.yaml").write_text(POLICY.replace("policy: clicks", "policy: other"))
    told = refused()
    assert "clicks" in told
    assert "other" in told


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("9464", "--listen: expected HOST:PORT such as 127.0.0.1:9464, got '9464'"),
        (":9464", "--listen: expected HOST:PORT such as 127.0.0.1:9464, got ':9464'"),
    ],
)
def test_an_address_that_is_none(
    refused: Callable[..., str], folder: Path, listen: str, message: str
) -> None:
    (folder / "clicks.yaml").write_text(POLICY)
    assert message in refused("--listen", listen)


def test_a_port_in_use_leaves_no_lease_behind(refused: Callable[..., str], folder: Path) -> None:
    (folder / "clicks.yaml").write_text(POLICY)
    before = signal.getsignal(signal.SIGTERM)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = [refused("--listen", address) for _ in range(2)]
    assert [text.strip() for text in told] == [
        f"--listen {address}: Address already in use; is another daemon running? Name another port, or HOST:0"
        " for any that is free"
    ] * 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_home_that_cannot_be_made(refused: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    (folder / "clicks.yaml").write_text(POLICY)
    (tmp_path / "file").write_text("no folder")
    home = tmp_path / "file" / "home"
    assert refused("--home", str(home)) == f"{home}: cannot be created: {home.parent} is a file\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "CTRAIN_TICK_SECONDS",
            "soon",
            "CTRAIN_TICK_SECONDS: expected a number of seconds above 0, got 'soon'\n",
        ),
        ("CTRAIN_LOG_FORMAT", "xml", "CTRAIN_LOG_FORMAT: expected one of auto, console, json, got 'xml'\n"),
        (
            "CTRAIN_DATABASE_URL",
            "mysql://x",
            "mysql://x: expected sqlite:///PATH or postgresql://HOST/DATABASE\n",
        ),
        (
            "CTRAIN_FAULTS",
            "commit:before=kill",
            "CTRAIN_FAULTS is set: this daemon would fail on purpose; unset it, or, in a test, "
            "set CTRAIN_FAULTS_ALLOWED=yes\n",
        ),
    ],
)
def test_a_setting_that_cannot_be_used(
    refused: Callable[..., str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    message: str,
) -> None:
    (folder / "clicks.yaml").write_text(POLICY)
    monkeypatch.setenv(name, value)
    assert refused() == message


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveClicks, subprocess.Popen[bytes]]]:
    """A daemon whose MLflow is not there."""
    live = open_live(tmp_path_factory.mktemp("alone") / "clicks")
    uri = NO_MLFLOW.format(port=free_port())
    environ = {**environment(), "MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    command = ["run", str(live.folder / "clicks.yaml"), "--home", str(live.home), "--listen", live.listen]
    with (live.home / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "ctrain", *command], env=environ, stdout=log, stderr=log
        )
    wait_until(lambda: live.answers() or daemon.poll() is not None, 60, "the daemon is ready")
    yield live, daemon
    if daemon.poll() is None:
        daemon.kill()
        daemon.wait()


def typed(live: LiveClicks, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--home", str(live.home)], env={"CTRAIN_ACTOR": "ann"})
    return done.exit_code, done.output


def test_a_daemon_without_its_mlflow_starts_and_says_so(
    alone: tuple[LiveClicks, subprocess.Popen[bytes]],
) -> None:
    live, daemon = alone
    assert daemon.poll() is None
    with urllib.request.urlopen(f"http://{live.listen}/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    status, why = typed(live, "status")[1], typed(live, "why", "clicks")[1]
    assert 'ctrain_registry_readable{policy="clicks"} 0.0' in metrics
    assert "the registry cannot be read" in status
    assert "- the registry cannot be read, so nothing is decided or promoted" in why
    assert "there is no champion" not in why
    for text in (status, why, (live.home / "daemon.log").read_text()):
        assert "hunter22" not in text


def test_nothing_is_started_while_the_champion_cannot_be_read(
    alone: tuple[LiveClicks, subprocess.Popen[bytes]],
) -> None:
    live, _ = alone
    code, told = typed(live, "trigger", "clicks")
    assert code == 1
    assert told.startswith("refused: ")
    assert "the champion cannot be read from the registry" in told
    assert typed(live, "runs")[1] == "no runs yet\n"


def test_it_stops_cleanly_all_the_same(alone: tuple[LiveClicks, subprocess.Popen[bytes]]) -> None:
    live, daemon = alone
    daemon.terminate()
    assert daemon.wait(20) == 0
    assert typed(live, "status")[1].startswith("no daemon runs")
    assert '"event": "stopped"' in (live.home / "daemon.log").read_text()

"""The server of API and console beside a daemon: real processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ctrain.app import kept_child, web_child
from ctrain.app.web_child import Console, WebChild
from ctrain.app.wiring import open_quiet_telemetry
from ctrain.clocks import RealTimer
from ctrain.domain.access import Role
from ctrain.errors import InputError
from ctrain.store import open_store
from ctrain.telemetry import PrometheusTelemetry, open_log
from ctrain.web.certificates import Certificate, RenewedCertificate
from ctrain.web.private import PrivateDaemon
from ctrain.web.server import PrivateServer, bind, serve_privately
from ctrain.web.tokens import make_token
from tests.support.fakes import QuietTelemetry
from tests.support.live import environment, open_live
from tests.support.ports import free_port
from tests.support.processes import words_of
from tests.support.web import SteadyTimer, tell_story
from tests.waiting import wait_until

pytestmark = pytest.mark.cold  # a listening socket is handed over, and who starts whom is the matter
PATIENCE_SECONDS = 60.0


class Well:
    """A daemon that is well."""

    healthy = ready = alive = True


def private_server() -> PrivateServer:
    telemetry = PrometheusTelemetry(open_log({}), "1")
    telemetry.count("rows_ingested_total", 7, policy="p")
    return serve_privately(telemetry, Well())


def ask(address: str, path: str, method: str = "GET", words: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {words}"} if words else {}
    request = urllib.request.Request(f"http://{address}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    store = open_store(f"sqlite:///{home / 'state.db'}")
    tell_story(store)
    store.close()
    return home


@pytest.fixture
def child(home: Path) -> Iterator[WebChild]:
    bound = bind(f"127.0.0.1:{free_port()}")
    running = WebChild(bound, Console(home), private_server(), open_quiet_telemetry({}), RealTimer())
    yield running
    running.close()


def test_a_child_that_was_killed_comes_back_and_goes_with_its_daemon(child: WebChild) -> None:
    assert ask(child.address, "/-/ready") == (200, "ready\n")
    assert 'ctrain_rows_ingested_total{policy="p"} 7.0' in ask(child.address, "/metrics")[1]
    assert ask(child.address, "/v1/policies/flight-delay")[0] == 200

    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert ask(child.address, "/-/ready") == (200, "ready\n")  # the socket waits for the next child
    second = child.pid
    assert second not in {None, first}

    child._kept._child.stdin.close()  # type: ignore[union-attr]  # as the system does when the daemon is gone
    wait_until(lambda: not psutil.pid_exists(second or 0), PATIENCE_SECONDS, "it ended")

    address = child.address
    child.close()
    assert child.pid is None or not psutil.pid_exists(child.pid)
    with pytest.raises(urllib.error.URLError):
        ask(address, "/-/ready")


BUSY = """
import contextlib, socket, sys
with socket.socket(fileno=int(sys.argv[1])) as listening:
    while True:
        caller, _ = listening.accept()
        with caller, contextlib.suppress(OSError):
            caller.recv(1000)
            caller.sendall(b"HTTP/1.0 503 Busy\\r\\n\\r\\n")
"""


def test_a_child_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_child, "ASKED_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(kept_child, "MOST_FAILURES", 2)
    monkeypatch.setattr(web_child, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(web_child, "MOST_FAILURES_AT_START", 10_000)
    answered: list[bool] = []
    real = web_child.answers

    def answers(address: tuple[str, int], *, tls: bool) -> bool:
        answered.append(real(address, tls=tls))
        return answered[-1]

    monkeypatch.setattr(web_child, "answers", answers)
    bound = bind(f"127.0.0.1:{free_port()}")
    command = [sys.executable, "-S", "-c", BUSY, str(bound.fileno())]
    monkeypatch.setattr(web_child, "_command", lambda *_: command)
    telemetry = QuietTelemetry()
    child = WebChild(bound, Console(tmp_path), private_server(), telemetry, RealTimer())
    try:
        wait_until(lambda: True in answered, PATIENCE_SECONDS, "it answers, though it cannot serve")
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: child.pid != first, PATIENCE_SECONDS, "it is replaced")
        assert not psutil.pid_exists(first)
        wait_until(lambda: "console_failed" in dict(telemetry.logged), PATIENCE_SECONDS, "it is told")
        assert telemetry.counted["console_restarts_total",] == 1
    finally:
        child.close()
    assert telemetry.counted["console_restarts_total",] == 1  # this end was wanted


def test_the_daemons_door_is_for_its_own_user(monkeypatch: pytest.MonkeyPatch) -> None:
    server = private_server()
    try:
        assert PrivateDaemon(server.name).fetch("/-/healthy").body == b"healthy\n"
        with socket.socket(socket.AF_UNIX) as somebody:
            monkeypatch.setattr("ctrain.web.server.os.getuid", lambda: os.geteuid() + 1)
            somebody.connect(f"\0{server.name}")
            somebody.settimeout(10)
            with suppress(ConnectionError):
                somebody.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                assert somebody.recv(100) == b""
    finally:
        server.close()


def test_a_daemon_with_a_console_is_scraped_acted_on_and_stopped(tmp_path: Path) -> None:
    live = open_live(tmp_path)
    store = open_store(f"sqlite:///{live.home / 'state.db'}")
    words, token = make_token("ops", Role.OPERATOR, "ann", RealTimer().now())
    with store.write() as tx:
        tx.add_token(token)
    settings = {
        "CTRAIN_CONSOLE": "1",
        "CTRAIN_LOG_FORMAT": "json",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    command = ["run", str(live.folder / "clicks.yaml"), "--home", str(live.home), "--listen", live.listen]
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "ctrain", *command], env={**environment(), **settings}, stderr=log
        )
    try:
        wait_until(lambda: live.answers() or daemon.poll() is not None, PATIENCE_SECONDS, "it is ready")
        assert daemon.poll() is None, (tmp_path / "log").read_text()
        children = serving(daemon)
        assert len(children) == 1
        assert all_on_loopback([psutil.Process(daemon.pid), *children])

        assert "ctrain_build_info" in ask(live.listen, "/metrics")[1]
        page = ask(live.listen, "/")
        assert (page[0], "clicks" in page[1]) == (200, True)
        assert ask(live.listen, "/v1/policies/clicks/pause", "POST")[0] == 403
        assert ask(live.listen, "/v1/policies/clicks/pause", "POST", words)[0] == 200
        with store.read() as tx:
            assert tx.paused(tx.policies()[0])
            assert tx.events(limit=1)[0].actor == "token ops"

        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_SECONDS) == 0
        assert not [one for one in children if one.is_running()]
        with pytest.raises(urllib.error.URLError):
            ask(live.listen, "/-/ready")
    finally:
        daemon.kill()
        daemon.wait()
        store.close()


def serving(daemon: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return [one for one in psutil.Process(daemon.pid).children() if "serve" in words_of(one)]


def all_on_loopback(processes: list[psutil.Process]) -> bool:
    listening = {
        str(one.laddr.ip)
        for process in processes
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    }
    return listening == {"127.0.0.1"}


def make_certificate(folder: Path) -> Certificate:
    """A certificate for this machine, which is its own authority."""
    folder.mkdir()
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run(["openssl", *words.split(), *names, *files], check=True, capture_output=True)
    return made


def answer_by_tls(port: int, trusted: Certificate, host: str = "localhost") -> Any:
    """Headers and body, of a server that shows a certificate which this one vouches for."""
    context = ssl.create_default_context(cafile=str(trusted.chain))
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=10)
    try:
        connection.request("GET", "/v1/policies")
        answer = connection.getresponse()
        return answer.headers, json.loads(answer.read())
    except (ConnectionRefusedError, ssl.SSLCertVerificationError):
        return None
    finally:
        connection.close()


def test_a_server_of_its_own_outlives_a_hang_up(home: Path) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "ctrain", "serve", "--home", str(home), "--listen", address]
    server = subprocess.Popen(command, env=environment())
    try:
        wait_until(lambda: web_child.answers(("127.0.0.1", port), tls=False), PATIENCE_SECONDS, "it answers")
        server.send_signal(signal.SIGHUP)
        assert ask(address, "/v1/policies")[0] == 200
        assert server.poll() is None
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


@pytest.mark.service("openssl")
def test_a_server_of_its_own_speaks_tls_and_takes_up_a_renewed_certificate(
    home: Path, tmp_path: Path
) -> None:
    first, second = make_certificate(tmp_path / "first"), make_certificate(tmp_path / "second")
    current = tmp_path / "current"
    current.symlink_to(first.chain.parent)  # as secrets are mounted, and certbot's live certificates
    port = free_port()
    command = ["serve", "--home", str(home), "--listen", f"127.0.0.1:{port}"]
    tls = ["--tls-cert", str(current / "cert.pem"), "--tls-key", str(current / "key.pem")]
    server = subprocess.Popen([sys.executable, "-m", "ctrain", *command, *tls], env=environment())

    def answered(trusted: Certificate) -> Any:
        assert server.poll() is None
        return answer_by_tls(port, trusted)

    try:
        headers, body = wait_until(lambda: answered(first), PATIENCE_SECONDS, "it answers")
        assert web_child.answers(("127.0.0.1", port), tls=True)
        assert "max-age" in headers["Strict-Transport-Security"]
        assert [one["policy"] for one in body["policies"]] == ["flight-delay", "other"]
        current.unlink()
        current.symlink_to(second.chain.parent)
        wait_until(lambda: answered(second), PATIENCE_SECONDS, "it shows the new one")
        assert answer_by_tls(port, first) is None
        assert answer_by_tls(port, second, "127.0.0.1")  # such a client names nobody
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


@pytest.mark.service("openssl")
def test_a_certificate_of_which_half_is_renewed_is_not_taken_up(tmp_path: Path) -> None:
    old, new = make_certificate(tmp_path / "old"), make_certificate(tmp_path / "new")
    timer, logged = SteadyTimer(), []
    renewed = RenewedCertificate(old, timer, lambda event, **_: logged.append(event))
    before = renewed.newest
    renewed.look()
    old.chain.write_bytes(new.chain.read_bytes())
    for _ in range(2):
        renewed.look()
    assert (renewed.newest, logged) == (before, ["certificate_failed"])
    old.key.write_bytes(new.key.read_bytes())
    renewed.look()
    assert renewed.newest is not before
    newest = renewed.newest
    old.key.unlink()
    renewed.look()
    assert renewed.newest is newest
    assert logged == ["certificate_failed", "certificate_renewed", "certificate_failed"]


def test_a_certificate_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--tls-cert"):
        Certificate(tmp_path / "none.pem", tmp_path / "none.key").check()

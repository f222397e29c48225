"""The HTTP server as a scraper and a prober see it, and where its sockets are."""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from ctrain.errors import InputError
from ctrain.telemetry import PrometheusTelemetry, open_log
from ctrain.web import Server, serve
from ctrain.web.server import CONNECTIONS, parse_listen
from tests.waiting import wait_until


@dataclass
class Condition:
    healthy: bool = True
    ready: bool = True
    alive: bool = True


@pytest.fixture
def condition() -> Condition:
    return Condition()


@pytest.fixture
def server(condition: Condition) -> Iterator[Server]:
    telemetry = PrometheusTelemetry(open_log({}), "1")
    telemetry.count("rows_ingested_total", 7, policy="p")
    running = serve("127.0.0.1:0", telemetry, condition)
    yield running
    running.close()


def ask(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection(server.address, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def listening_addresses() -> set[str]:
    return {
        str(one.laddr.ip)
        for one in psutil.Process(os.getpid()).net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    }


def test_every_listening_socket_is_on_loopback(server: Server) -> None:
    addresses = listening_addresses()
    assert "127.0.0.1" in addresses
    assert all(ipaddress.ip_address(one).is_loopback for one in addresses)


def test_the_port_is_free_after_close(condition: Condition) -> None:
    first = serve("127.0.0.1:0", PrometheusTelemetry(open_log({}), "1"), condition)
    address = first.address
    first.close()
    again = serve(address, PrometheusTelemetry(open_log({}), "1"), condition)
    assert again.address == address
    again.close()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0"),
    ],
)
def test_metrics_speak_the_format_that_is_asked_for(server: Server, accept: str, content_type: str) -> None:
    status, headers, body = ask(server, "/metrics", Accept=accept)
    assert status == 200
    assert headers["Content-Type"].startswith(content_type)
    assert 'ctrain_rows_ingested_total{policy="p"} 7.0' in body


@pytest.mark.parametrize("name", ["healthy", "ready", "alive"])
def test_health_follows_the_daemon(server: Server, condition: Condition, name: str) -> None:
    status, headers, body = ask(server, f"/-/{name}")
    assert (status, headers["Content-Type"], body) == (200, "text/plain; charset=utf-8", f"{name}\n")
    setattr(condition, name, False)
    status, _, body = ask(server, f"/-/{name}")
    assert (status, body) == (503, f"not {name}\n")


def test_head_has_no_body(server: Server) -> None:
    status, headers, body = ask(server, "/metrics", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(server: Server, method: str) -> None:
    status, headers, _ = ask(server, "/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_unknown_pages_are_not_found_and_answers_name_no_python(server: Server) -> None:
    status, headers, _ = ask(server, "/etc/passwd")
    assert status == 404
    assert "Python" not in headers["Server"]


def test_an_endless_request_line_is_cut_off(server: Server) -> None:
    status, _, _ = ask(server, "/" + "x" * 70_000)
    assert status == 414


def test_idle_connections_are_bounded_and_do_not_stop_the_server(server: Server) -> None:
    host, port = parse_listen(server.address)
    idle = [socket.create_connection((host, port), timeout=5) for _ in range(CONNECTIONS)]
    try:
        extra = wait_until(lambda: _hung_up(host, port), what="one connection too many is hung up")
        assert extra
    finally:
        for one in idle:
            one.close()
    assert wait_until(lambda: _answers(server), what="the server answers again")


def _hung_up(host: str, port: int) -> bool:
    with socket.create_connection((host, port), timeout=5) as one:
        try:
            one.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            return one.recv(100) == b""
        except ConnectionError:
            return True


def _answers(server: Server) -> bool:
    try:
        return ask(server, "/-/healthy")[0] == 200
    except (ConnectionError, http.client.HTTPException):
        return False


@pytest.mark.parametrize("listen", ["", "9464", ":9464", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_must_name_host_and_port(condition: Condition, listen: str) -> None:
    with pytest.raises(InputError, match="expected HOST:PORT"):
        serve(listen, PrometheusTelemetry(open_log({}), "1"), condition)


def test_a_taken_port_is_an_input_error(server: Server, condition: Condition) -> None:
    with pytest.raises(InputError, match="in use"):
        serve(server.address, PrometheusTelemetry(open_log({}), "1"), condition)


def test_ipv6_loopback_is_understood() -> None:
    assert parse_listen("[::1]:9464") == ("::1", 9464)

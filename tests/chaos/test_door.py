"""The door before MLflow is as it is told to be, and open again afterwards."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chaos.door import DELAY_SECONDS, ERRING, SHUT, SLOW, Door


class Greeter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def door(pauses: list[float]) -> Iterator[Door]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Greeter)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = Door(server.server_port, pauses.append)
    yield found
    found.close()
    server.shutdown()
    server.server_close()


def ask(connection: http.client.HTTPConnection) -> tuple[int, bytes]:
    connection.request("GET", "/")
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextmanager
def visitor(door: Door) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)) as connection:
        yield connection


def test_a_shut_door_sends_away_who_is_inside_and_who_comes(door: Door) -> None:
    with visitor(door) as inside, visitor(door) as late:
        assert ask(inside) == (200, b"hello")
        with door.being(SHUT):
            for one in (inside, late):
                with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                    ask(one)
    with visitor(door) as after:
        assert ask(after) == (200, b"hello")


def test_a_stranger_answers_with_an_error(door: Door) -> None:
    with door.being(ERRING), visitor(door) as one:
        assert ask(one) == (503, b"busy")


def test_a_slow_door_opens_after_a_while(door: Door, pauses: list[float]) -> None:
    with door.being(SLOW), visitor(door) as one:
        assert ask(one) == (200, b"hello")
    assert pauses == [DELAY_SECONDS]

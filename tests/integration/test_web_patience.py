"""A server of one's own thread, and callers that take their time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from ctrain.web import patience
from ctrain.web.server import bind, shown_address
from tests.support.ports import free_port
from tests.waiting import wait_until

MORE_THAN_IS_BUFFERED = 16 << 20
"""Bytes, by the systems at both ends of a connection."""


async def echo(scope: dict, receive: object, send: object) -> None:
    body = b""
    while True:
        message = await receive()  # type: ignore[operator]  # as ASGI has it
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    body = body or b"x" * MORE_THAN_IS_BUFFERED
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": body})  # type: ignore[operator]


@contextmanager
def serving(seconds: float, most: int | None = None) -> Iterator[tuple[uvicorn.Server, tuple[str, int]]]:
    """A server whose callers have so many seconds for everything; fewer than ``most`` at a time."""
    with pytest.MonkeyPatch.context() as patch, bind(f"127.0.0.1:{free_port()}") as bound:
        for name in ("HEAD_SECONDS", "BODY_SECONDS", "UNREAD_SECONDS"):
            patch.setattr(patience, name, seconds)
        config = uvicorn.Config(
            echo,
            http=patience.PatientProtocol,
            log_config=None,
            lifespan="off",
            ws="none",
            limit_concurrency=most,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        wait_until(lambda: server.started, what="the server runs")
        host, port = shown_address(bound).split(":")
        yield server, (host, int(port))
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[uvicorn.Server, tuple[str, int]]]:
    with serving(0.3) as found:
        yield found


@pytest.fixture
def address(running: tuple[uvicorn.Server, tuple[str, int]]) -> tuple[str, int]:
    return running[1]


def said(address: tuple[str, int], *pieces: bytes) -> bytes:
    """What is answered until the server hangs up."""
    with socket.create_connection(address, timeout=30) as caller:
        for piece in pieces:
            caller.sendall(piece)
        answer = b""
        while received := caller.recv(1000):
            answer += received
    return answer


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"GET / HTTP/1.1\r\nHost: x\r\n",),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", b"1234"),
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_who_never_finishes_is_hung_up_on_without_an_answer(
    address: tuple[str, int], pieces: tuple[bytes, ...]
) -> None:
    assert said(address, *pieces) == b""


def test_who_has_asked_is_answered_and_may_ask_again_in_time(address: tuple[str, int]) -> None:
    ask = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n1234"
    answer = said(address, ask, ask, b"GET / HT")
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["kept", "to be closed"])
def test_who_does_not_read_is_hung_up_on(
    running: tuple[uvicorn.Server, tuple[str, int]], more: bytes
) -> None:
    server, address = running
    connections = server.server_state.connections
    wait_until(lambda: not connections, what="callers of before are gone")
    asked = server.server_state.total_requests
    with socket.create_connection(address) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")
        wait_until(lambda: server.server_state.total_requests > asked, what="it is answered")
        wait_until(lambda: not connections, what="the server hung up")
    assert server.server_state.total_requests == asked + 1, "it was asked, and answered for as long as it may"


def test_where_no_more_are_allowed_who_has_been_idle_for_longest_makes_room() -> None:
    ask = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\n1234"
    with serving(60.0, most=4) as (server, address), ExitStack() as idle:
        callers: list[socket.socket] = []
        state = server.server_state
        for _ in range(3):
            callers.append(idle.enter_context(socket.create_connection(address, timeout=30)))
            wait_until(lambda: len(state.connections) == len(callers), what="it is connected")
        callers[0].sendall(ask[:-1])
        wait_until(lambda: state.tasks, what="the head of its request is there")
        assert said(address, ask).startswith(b"HTTP/1.1 200")
        assert callers[1].recv(1) == b"", "it was hung up on"
        callers[0].sendall(ask[-1:])
        assert callers[0].recv(1000).startswith(b"HTTP/1.1 200"), "half of a request is no idleness"
        callers[2].sendall(ask)
        assert callers[2].recv(1000).startswith(b"HTTP/1.1 200")

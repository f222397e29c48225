from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctrain.notify.webhook import judge, post
from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiver

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BODY = b'{"version":1}'


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def verified(secret: bytes, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver does, by the words of the handbook and the standard library alone."""
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    version, _, given = headers["webhook-signature"].partition(",")
    return version == "v1" and hmac.compare_digest(given, expected)


def test_a_receiver_can_verify_what_came(server: Receiver) -> None:
    delivery = post(f"{server.url}/hook?a=b", "a secret of ours", "msg_1", BODY, NOW)
    assert (delivery.done, delivery.detail) == (True, "answered 200")
    [came] = server.received
    assert (came.path, came.body) == ("/hook?a=b", BODY)
    headers = dict(came.headers)
    assert headers["webhook-id"] == "msg_1"
    assert headers["webhook-timestamp"] == "1767225600"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert verified(b"a secret of ours", headers, came.body)
    assert not verified(b"another secret", headers, came.body)
    assert not verified(b"a secret of ours", headers, came.body + b" ")


def test_without_a_secret_nothing_is_signed(server: Receiver) -> None:
    post(server.url, None, "msg_1", BODY, NOW)
    [came] = server.received
    assert (came.path, "webhook-signature" in came.headers) == ("/", False)


def test_a_login_in_the_address_becomes_a_header(server: Receiver) -> None:
    post(server.url.replace("//", "//me:p%40ss@"), None, "msg_1", BODY, NOW)
    [came] = server.received
    assert came.headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()


def test_a_redirect_is_not_followed(server: Receiver) -> None:
    server.answers = [(307, {"Location": f"{server.url}/elsewhere"})]
    delivery = post(server.url, None, "msg_1", BODY, NOW)
    assert (delivery.done, delivery.again) == (False, False)
    assert delivery.detail == "answered 307: redirects are not followed"
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("status", "done", "again"),
    [
        (200, True, False),
        (204, True, False),
        (301, False, False),
        (400, False, False),
        (401, False, False),
        (404, False, False),
        (408, False, True),
        (410, False, False),
        (425, False, True),
        (429, False, True),
        (500, False, True),
        (503, False, True),
    ],
)
def test_what_an_answer_means(status: int, done: bool, again: bool) -> None:
    delivery = judge(status, None, NOW)
    assert (delivery.done, delivery.again) == (done, again)


@pytest.mark.parametrize(
    ("status", "header", "wait"),
    [
        (429, "120", timedelta(seconds=120)),
        (503, " 7 ", timedelta(seconds=7)),
        (503, "Thu, 01 Jan 2026 00:01:00 GMT", timedelta(seconds=60)),
        (503, "Wed, 31 Dec 2025 00:00:00 GMT", timedelta(0)),
        (503, "soon", None),
        (503, "-5", None),
        (503, None, None),
        (410, "120", None),
    ],
)
def test_when_the_receiver_wants_to_be_asked_again(
    status: int, header: str | None, wait: timedelta | None
) -> None:
    assert judge(status, header, NOW).retry_after == wait


def test_nobody_there_is_worth_another_attempt() -> None:
    delivery = post(f"http://127.0.0.1:{free_port()}/T0K3N", None, "msg_1", BODY, NOW)
    assert (delivery.done, delivery.again) == (False, True)
    assert delivery.detail == "no answer: connection refused"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "http:///path", "http://a b/"])
def test_an_address_that_cannot_be_is_refused_for_good(url: str) -> None:
    delivery = post(url, None, "msg_1", BODY, NOW)
    assert (delivery.done, delivery.again, delivery.detail) == (False, False, "the address cannot be used")


def test_a_line_break_in_an_address_reaches_nobody() -> None:
    delivery = post("http://127.0.0.1/a b", None, "msg_1", BODY, NOW)
    assert (delivery.done, delivery.again) == (False, False)


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """Accepts one connection, sends ``answer`` byte by byte for as long as the other side listens."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            connection, _ = server.accept()
            with connection:
                for byte in answer:
                    connection.sendall(bytes([byte]))
                    if over.wait(0.02):
                        return
                over.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        server.close()
        thread.join()


def test_a_receiver_that_says_nothing_does_not_hold_us_up() -> None:
    with listening(b"") as url:
        delivery = post(url, None, "msg_1", BODY, NOW, step_seconds=0.1)
    assert (delivery.again, delivery.detail) == (True, "no answer: it took too long")


def test_nor_does_one_that_answers_byte_by_byte() -> None:
    with listening(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 1000) as url:
        delivery = post(url, None, "msg_1", BODY, NOW, step_seconds=5, whole_seconds=0.2)
    assert (delivery.again, delivery.detail) == (True, "no answer: it took too long")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "done", "detail"),
    [
        (HINTS + b"HTTP/1.1 102 Processing\r\n\r\n" + OK, True, "answered 200"),
        (HINTS + b"HTTP/1.1 410 Gone\r\n\r\n", False, "answered 410"),
        (HINTS, False, "no answer: the server closed the connection"),
        (b"", False, "no answer: the server closed the connection"),
        (b"SSH-2.0-OpenSSH\r\n", False, "no answer: what it says is not HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", False, "answered 101"),
    ],
)
def test_the_answer_is_the_last_thing_that_is_said(said: bytes, done: bool, detail: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as came:
                while came.readline() != b"\r\n":
                    pass
                came.read(len(BODY))
                connection.sendall(said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        delivery = post(f"http://127.0.0.1:{server.getsockname()[1]}/", None, "msg_1", BODY, NOW)
        thread.join()
    assert (delivery.done, delivery.detail) == (done, detail)
    assert delivery.again == detail.startswith("no answer")


def test_the_time_that_connecting_takes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of many addresses may take a whole step; then comes one that answers byte by byte."""
    passed = [0.0]
    asked: list[float] = []

    def connect(_: tuple[str, int], seconds: float) -> socket.socket:
        asked.append(seconds)
        passed[0] += seconds
        raise TimeoutError

    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 80)) for n in range(9)]
    monkeypatch.setattr("ctrain.clocks.time.monotonic", lambda: passed[0])
    monkeypatch.setattr("ctrain.notify.webhook.socket.getaddrinfo", lambda *_, **__: addresses)
    monkeypatch.setattr("ctrain.notify.webhook.socket.create_connection", connect)
    delivery = post("http://many.example/", None, "msg_1", BODY, NOW, step_seconds=10, whole_seconds=25)
    assert (delivery.again, delivery.detail) == (True, "no answer: it took too long")
    assert asked == [10, 10, 5]


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = socket.create_server(("127.0.0.1", 0))
    said: list[bytes] = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            said.append(tls.recv(1000))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with server:
        delivery = post(f"https://127.0.0.1:{server.getsockname()[1]}/", "s3cret", "msg_1", BODY, NOW)
        thread.join()
    assert (delivery.done, delivery.again) == (False, True)
    assert delivery.detail.startswith("the certificate is not trusted: self-signed certificate")
    assert said == []


def self_signed(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem", folder / "key.pem"

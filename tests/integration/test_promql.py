"""Questions to a real Prometheus, and to servers that are none."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ctrain.clocks import RealTimer
from ctrain.domain import MetricQuery, Sample
from ctrain.promql import PromqlServer, answer
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, running_prometheus
from tests.waiting import wait_until

EXPOSITION = b'latency_seconds 0.25\nbacklog{queue="a"} 1\nbacklog{queue="b"} 2\nunknown NaN\n'
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@contextmanager
def serving(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers everything the same; its address, and the headers it was sent."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with serving(200, EXPOSITION) as (target, _), running_prometheus(folder, target) as server:
        wait_until(lambda: bool(server.query("latency_seconds")), 30, "the first scrape")
        yield server


def ask(
    address: str,
    query: str,
    ahead: timedelta = timedelta(0),
    token: str | None = None,
    by: str | None = None,
) -> Sample:
    at = RealTimer().now() + ahead
    return answer(MetricQuery(f"http://{address}/", query, at, timedelta(minutes=1), token, by), 5.0)


@pytest.mark.service("prometheus")
class TestPrometheus:
    @pytest.mark.parametrize(
        ("query", "value"),
        [
            ("latency_seconds", 0.25),
            ("sum(backlog)", 3.0),
            ("scalar(latency_seconds) * 2", 0.5),
            ("sum(backlog) / 0", math.inf),
        ],
    )
    def test_a_query_with_one_number_is_answered(
        self, prometheus: Prometheus, query: str, value: float
    ) -> None:
        found = ask(prometheus.address, query)
        assert (found.value, found.problem) == (value, "")
        assert found.sampled_at is not None
        assert found.at - found.sampled_at < timedelta(seconds=30)

    def test_a_sample_that_is_no_number_is_answered_as_nan(self, prometheus: Prometheus) -> None:
        found = ask(prometheus.address, "unknown")
        assert found.value is not None
        assert math.isnan(found.value)

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("nobody_exports_this", "the query found no data"),
            ("backlog", "the query gives 2 series, one is wanted: aggregate them"),
            ("latency_seconds[5m]", "the query gives a matrix, one number is wanted"),
            ("latency_seconds[", "the server refused the query: invalid parameter"),
        ],
    )
    def test_anything_else_is_a_problem(self, prometheus: Prometheus, query: str, problem: str) -> None:
        found = ask(prometheus.address, query)
        assert found.value is None
        assert found.problem.startswith(problem)

    def test_the_age_of_a_sample_is_known(self, prometheus: Prometheus) -> None:
        """Three minutes from now Prometheus would still answer with the sample of now."""
        found = ask(prometheus.address, "latency_seconds", timedelta(minutes=3))
        assert found.value == 0.25
        assert found.sampled_at is not None
        assert found.at - found.sampled_at > timedelta(minutes=2)

    @pytest.mark.parametrize("query", ["backlog", "sum by (queue) (backlog)"])
    def test_a_number_for_each_value_of_a_label(self, prometheus: Prometheus, query: str) -> None:
        found = ask(prometheus.address, query, by="queue")
        assert found.problem == ""
        assert {name: one.value for name, one in found.series.items()} == {"a": 1, "b": 2}
        for one in found.series.values():
            assert one.sampled_at is not None
            assert found.at - one.sampled_at < timedelta(seconds=30)

    def test_the_age_of_each_series_is_known(self, prometheus: Prometheus) -> None:
        found = ask(prometheus.address, "backlog", timedelta(minutes=3), by="queue")
        ages = [found.at - one.sampled_at for one in found.series.values() if one.sampled_at is not None]
        assert len(ages) == 2
        assert min(ages) > timedelta(minutes=2)

    def test_no_series_is_an_answer(self, prometheus: Prometheus) -> None:
        found = ask(prometheus.address, "nobody_exports_this", by="queue")
        assert (found.series, found.problem) == ({}, "")

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("latency_seconds", "a series has no label queue, it has __name__, instance, job"),
            ("sum(backlog)", "a series has no label queue, it has none at all"),
            ('label_replace(backlog, "queue", "c", "", "")', "the server refused the query: "),
            ("scalar(latency_seconds)", "the query gives a scalar, series with the label queue are wanted"),
        ],
    )
    def test_series_that_the_label_does_not_name(
        self, prometheus: Prometheus, query: str, problem: str
    ) -> None:
        assert ask(prometheus.address, query, by="queue").problem.startswith(problem)

    def test_series_that_the_label_does_not_tell_apart(self, prometheus: Prometheus) -> None:
        found = ask(prometheus.address, "backlog", by="job")
        assert (found.series, found.problem) == ({}, "2 series have job=ctrain: aggregate them by job")


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"<html>", "the answer cannot be understood: JSONDecodeError"),
        (200, b"{}", "the answer cannot be understood: KeyError('data')"),
        (200, b"[1]", "the answer cannot be understood: TypeError"),
        (
            200,
            b" " * (1 << 20) + b"{}",
            "the answer cannot be understood: ValueError('more than a megabyte')",
        ),
        (503, b"", "the server refused the query: HTTP 503 Service Unavailable"),
        (422, json.dumps({"error": "too many samples"}).encode(), "the server refused the query: too many"),
    ],
)
def test_a_server_that_is_no_prometheus(status: int, body: bytes, problem: str) -> None:
    with serving(status, body) as (address, _):
        assert ask(address, "up").problem.startswith(problem)


def test_a_server_that_is_not_there() -> None:
    assert ask(f"127.0.0.1:{free_port()}", "up").problem.startswith("the server cannot be reached: ")


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
        b"HTTP/1.1 503 Not Now\r\nContent-Length: 9999\r\n\r\n",
    ],
    ids=["head", "body", "refusal"],
)
def test_a_server_that_answers_byte_by_byte_is_given_up(beginning: bytes) -> None:
    """Two of them would keep all threads, and the daemon from ending."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(beginning)
                while not over.wait(0.01):
                    connection.sendall(b" ")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        query = MetricQuery(f"http://127.0.0.1:{server.getsockname()[1]}", "up", NOON, timedelta(minutes=1))
        found = answer(query, 0.1)
        over.set()
        thread.join()
    assert found.problem == "the server cannot be reached: it took too long"


def test_the_token_goes_to_the_server_and_not_to_where_it_redirects() -> None:
    with serving(200, b"{}") as (elsewhere, seen_elsewhere):
        with serving(307, b"", Location=f"http://{elsewhere}/api/v1/query") as (address, seen):
            found = ask(address, "up", token="s3cret")
        assert seen[0]["Authorization"] == "Bearer s3cret"
        assert seen_elsewhere == []
    assert found.problem == "the server refused the query: HTTP 307 Temporary Redirect"
    assert "s3cret" not in repr(MetricQuery("http://x", "up", NOON, timedelta(minutes=1), "s3cret"))


def test_asking_never_waits_and_asks_anew_after_an_answer() -> None:
    body = {"data": {"resultType": "scalar", "result": [0, "7"]}}
    with serving(200, json.dumps(body).encode()) as (address, seen):
        server = PromqlServer()
        query = MetricQuery(f"http://{address}", "seven", NOON, timedelta(minutes=1))
        assert server.ask("a", query) is None
        answers: list[Sample] = []

        def answered() -> bool:
            found = server.ask("a", query)
            answers.extend([found] if found else [])
            return bool(answers)

        wait_until(answered, 20, "the server has answered")
        assert answers == [Sample(NOON, 7.0, NOON)]
        assert server.ask("a", query) is None
        wait_until(lambda: len(seen) == 2, 20, "it was asked twice")
        server.close()

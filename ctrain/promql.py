"""The ``MetricServer`` port: PromQL over HTTP, asked on threads of its own so that no tick waits.

An instant query tells the value, ``timestamp()`` of the same expression how old the sample behind it
is: a plain selector goes on answering with its last sample for five minutes. Of an expression that
computes something the server knows no sample time; there ``lookback_delta``, which servers from
version 2.43 on obey, bounds the age of what goes into it. Where a label names the series of an answer, each
has a value and an age of its own.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

from ctrain.domain import MetricQuery, Sample, Series

THREADS = 2
TIMEOUT_SECONDS = 10.0
"""To wait for the next bytes; a whole answer has twice as long."""
MAX_BYTES = 1 << 20


class PromqlServer:
    """Asks Prometheus and whatever speaks its API; safe to call from several threads."""

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: dict[str, Future[Sample]] = {}

    def ask(self, key: str, query: MetricQuery) -> Sample | None:
        """Return the answer under ``key`` when it has come; else ask, or wait on."""
        known = self._under_way.get(key)
        if known is None:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="promql")
            self._under_way[key] = self._pool.submit(answer, query, self._timeout_seconds)
            return None
        if not known.done():
            return None
        del self._under_way[key]
        return known.result()

    def close(self) -> None:
        """Forget what has not been answered; questions under way end with their timeout."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def answer(query: MetricQuery, timeout_seconds: float = TIMEOUT_SECONDS) -> Sample:
    """Return what the server says to one question; whatever goes wrong becomes its ``problem``."""
    try:
        found = _instant(query, query.query, timeout_seconds)
        if query.by is not None:
            return _by_label(query, query.by, found, timeout_seconds)
        return _one_number(query, found, timeout_seconds)
    except _Refused as error:
        return Sample(query.at, problem=f"the server refused the query: {error}")
    except (OSError, HTTPException) as error:
        return Sample(query.at, problem=f"the server cannot be reached: {getattr(error, 'reason', error)}")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Sample(query.at, problem=f"the answer cannot be understood: {error!r}"[:300])


def _one_number(query: MetricQuery, found: Any, timeout_seconds: float) -> Sample:
    if found["resultType"] == "scalar":
        return Sample(query.at, float(found["result"][1]), query.at)
    problem = _not_one_series(found)
    if problem:
        return Sample(query.at, problem=problem)
    stamps = _instant(query, f"timestamp({query.query})", timeout_seconds)["result"]
    sampled_at = _time(stamps[0]) if stamps else None
    return Sample(query.at, _number(found["result"][0]), sampled_at)


def _by_label(query: MetricQuery, label: str, found: Any, timeout_seconds: float) -> Sample:
    problem = _not_named(found, label)
    if problem:
        return Sample(query.at, problem=problem)
    stamps = _instant(query, f"timestamp({query.query})", timeout_seconds)["result"]
    sampled_at = {one["metric"].get(label): _time(one) for one in stamps}
    series = {one["metric"][label]: one for one in found["result"]}
    return Sample(
        query.at,
        series={name: Series(_number(one), sampled_at.get(name)) for name, one in series.items()},
    )


def _number(series: Any) -> float:
    return float(series["value"][1])


def _time(series: Any) -> datetime:
    """Of a series of ``timestamp()``."""
    return datetime.fromtimestamp(_number(series), UTC)


def _not_named(found: Any, label: str) -> str:
    """Why the label does not tell the series of the answer apart; empty when it does."""
    if found["resultType"] != "vector":
        return f"the query gives a {found['resultType']}, series with the label {label} are wanted"
    labels = [one["metric"] for one in found["result"]]
    without = next((one for one in labels if not one.get(label)), None)
    if without is not None:
        return f"a series has no label {label}, it has {', '.join(sorted(without)) or 'none at all'}"
    name, count = next(iter(Counter(one[label] for one in labels).most_common(1)), ("", 0))
    return "" if count < 2 else f"{count} series have {label}={name}: aggregate them by {label}"


def _not_one_series(found: Any) -> str:
    if found["resultType"] != "vector":
        return f"the query gives a {found['resultType']}, one number is wanted"
    series = len(found["result"])
    if series == 0:
        return "the query found no data"
    return "" if series == 1 else f"the query gives {series} series, one is wanted: aggregate them"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the token to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Refused(Exception):
    """The server has answered that it does not answer; why, in its words."""


class _Question(urllib.request.Request):
    """Is cut off when its time is over: a server that answers byte by byte would keep a thread for days."""

    _socket: socket.socket | None = None
    _late = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Raises TimeoutError when it took longer, whatever that has led to."""
        alarm = threading.Timer(seconds, self._cut)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        except Exception:
            if not self._late:
                raise
        finally:
            alarm.cancel()
        if self._late:
            raise TimeoutError("it took too long")

    def over(self, reached: socket.socket) -> None:
        """It is asked over this connection."""
        self._socket = reached
        if self._late:
            self._cut()

    def _cut(self) -> None:
        self._late = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Plain(HTTPConnection):
    question: _Question

    def connect(self) -> None:
        super().connect()
        self.question.over(self.sock)


class _Secure(HTTPSConnection):
    question: _Question

    def connect(self) -> None:
        super().connect()
        self.question.over(self.sock)


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_bound(_Plain, req), req)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_bound(_Secure, req), req)


def _bound(kind: type[_Plain | _Secure], question: urllib.request.Request) -> Any:
    """What makes connections of a kind that know what is asked over them."""

    def make(host: str, **options: Any) -> HTTPConnection:
        connection = kind(host, **options)
        assert isinstance(question, _Question)
        connection.question = question
        return connection

    return make


_opener = urllib.request.build_opener(_NoRedirects, _Handler)


def _instant(query: MetricQuery, expression: str, timeout_seconds: float) -> Any:
    """Return ``data`` of an instant query."""
    form = {
        "query": expression,
        "time": f"{query.at.timestamp():.3f}",
        "lookback_delta": f"{query.max_age.total_seconds():.0f}s",
    }
    address = query.url.rstrip("/") + "/api/v1/query"
    # the policy's check lets only http and https pass
    question = _Question(address, urllib.parse.urlencode(form).encode())
    if query.token is not None:
        question.add_unredirected_header("Authorization", f"Bearer {query.token}")
    with question.within(2 * timeout_seconds):
        try:
            with _opener.open(question, timeout=timeout_seconds) as reply:
                content = reply.read(MAX_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise _Refused(_words(error)) from error
    if len(content) > MAX_BYTES:
        raise ValueError("more than a megabyte")
    return json.loads(content)["data"]


def _words(error: urllib.error.HTTPError) -> str:
    """What the server says about it, else the status."""
    try:
        said = str(json.loads(error.read(4096))["error"])
    except (ValueError, KeyError, TypeError, OSError):
        said = ""
    return said or f"HTTP {error.code} {error.reason}"

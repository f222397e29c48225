"""The ``MetricServer`` port: PromQL over HTTP, asked on threads of its own so that no tick waits.

An instant query tells the value, ``timestamp()`` of the same expression how old the sample behind it
is: a plain selector goes on answering with its last sample for five minutes. Of an expression that
computes something the server knows no sample time; there ``lookback_delta``, which servers from
version 2.43 on obey, bounds the age of what goes into it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from ctrain.domain import MetricQuery, Sample

THREADS = 2
TIMEOUT_SECONDS = 10.0
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
        if found["resultType"] == "scalar":
            return Sample(query.at, float(found["result"][1]), query.at)
        problem = _not_one_series(found)
        if problem:
            return Sample(query.at, problem=problem)
        stamps = _instant(query, f"timestamp({query.query})", timeout_seconds)["result"]
        sampled_at = datetime.fromtimestamp(float(stamps[0]["value"][1]), UTC) if stamps else None
        return Sample(query.at, float(found["result"][0]["value"][1]), sampled_at)
    except urllib.error.HTTPError as error:
        return Sample(query.at, problem=f"the server refused the query: {_words(error)}")
    except (OSError, HTTPException) as error:
        return Sample(query.at, problem=f"the server cannot be reached: {getattr(error, 'reason', error)}")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Sample(query.at, problem=f"the answer cannot be understood: {error!r}"[:300])


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


_opener = urllib.request.build_opener(_NoRedirects)


def _instant(query: MetricQuery, expression: str, timeout_seconds: float) -> Any:
    """Return ``data`` of an instant query."""
    form = {
        "query": expression,
        "time": f"{query.at.timestamp():.3f}",
        "lookback_delta": f"{query.max_age.total_seconds():.0f}s",
    }
    address = query.url.rstrip("/") + "/api/v1/query"
    # the policy's check lets only http and https pass
    request = urllib.request.Request(address, urllib.parse.urlencode(form).encode())  # noqa: S310
    if query.token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {query.token}")
    with _opener.open(request, timeout=timeout_seconds) as reply:
        content = reply.read(MAX_BYTES + 1)
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

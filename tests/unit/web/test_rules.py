"""Which hosts, proxies and addresses a server believes."""

from __future__ import annotations

import pytest

from ctrain.errors import InputError
from ctrain.web.failures import ADDRESSES, FAILURES, WINDOW_SECONDS, FailureLimit
from ctrain.web.rules import rules_for

PROXY = {"CTRAIN_AUTH_HEADER": "X-User", "CTRAIN_TRUSTED_PROXIES": "10.0.0.7, 10.1.0.0/16"}


@pytest.mark.parametrize(
    ("address", "environ", "host", "known"),
    [
        ("127.0.0.1", {}, "localhost", True),
        ("127.0.0.1", {}, "127.0.0.1", True),
        ("127.0.0.1", {}, "::1", True),
        ("::1", {}, "a.localhost", True),
        ("127.0.0.1", {}, "10.0.0.9", True),
        ("127.0.0.1", {}, "evil.example", False),
        ("127.0.0.1", {}, "localhost.evil.example", False),
        ("127.0.0.1", {}, "", False),
        ("127.0.0.1", {"CTRAIN_ALLOWED_HOSTS": "Mine.example, b"}, "mine.example", True),
        ("0.0.0.0", {}, "any.example", True),
        ("0.0.0.0", {"CTRAIN_ALLOWED_HOSTS": "mine.example"}, "any.example", False),
        ("0.0.0.0", {"CTRAIN_ALLOWED_HOSTS": "mine.example"}, "10.0.0.9", True),
    ],
)
def test_names_that_may_be_somebody_elses_are_not_known(
    address: str, environ: dict[str, str], host: str, known: bool
) -> None:
    assert rules_for(address, environ).knows_host(host) is known


@pytest.mark.parametrize(
    ("address", "environ", "open_reading"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("0.0.0.0", {}, False),
        ("127.0.0.1", PROXY, False),
        ("127.0.0.1", {"CTRAIN_TRUSTED_PROXIES": "::1"}, False),
    ],
)
def test_reading_is_open_on_loopback_alone(address: str, environ: dict[str, str], open_reading: bool) -> None:
    assert rules_for(address, environ).open_reading is open_reading


def test_a_proxy_is_known_by_its_addresses() -> None:
    rules = rules_for("0.0.0.0", PROXY)
    assert rules.proxy is not None
    assert [rules.trusts(one) for one in ("10.0.0.7", "10.1.2.3", "10.0.0.8", "", "x")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CTRAIN_AUTH_HEADER": "X-User"}, "needs CTRAIN_TRUSTED_PROXIES"),
        ({"CTRAIN_AUTH_ROLE_HEADER": "X-Role"}, "needs CTRAIN_AUTH_HEADER"),
        ({**PROXY, "CTRAIN_TRUSTED_PROXIES": "proxy"}, "expected addresses or networks"),
    ],
)
def test_half_a_proxy_is_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rules_for("0.0.0.0", environ)


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_may_fail_so_often_in_a_minute() -> None:
    seconds = Seconds()
    limit = FailureLimit(seconds)
    for number in range(FAILURES):
        assert limit.retry_after("10.0.0.1") == 0
        seconds.now = float(number)
        limit.count("10.0.0.1")
    assert limit.retry_after("10.0.0.1") == WINDOW_SECONDS - (FAILURES - 1)
    assert limit.retry_after("10.0.0.2") == 0
    seconds.now = WINDOW_SECONDS + 0.5
    assert limit.retry_after("10.0.0.1") == 0


def test_neighbours_of_an_ipv6_address_count_as_one() -> None:
    limit = FailureLimit(Seconds())
    for number in range(FAILURES):
        limit.count(f"2001:db8::{number}")
    assert limit.retry_after("2001:db8::ffff") > 0
    assert limit.retry_after("2001:db8:0:1::1") == 0


def test_addresses_that_are_remembered_are_bounded() -> None:
    limit = FailureLimit(Seconds())
    for _ in range(FAILURES):
        limit.count("192.0.2.1")
    for number in range(ADDRESSES):
        limit.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert limit.retry_after("192.0.2.1") == 0

"""The vector is the one that the libraries of Standard Webhooks are tested with."""

from __future__ import annotations

import base64

import pytest

from ctrain.notify.signature import key_of, signature, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SECONDS = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_of_the_published_vector() -> None:
    assert signature(SECRET, MESSAGE, SECONDS, BODY) == SIGNATURE


@pytest.mark.parametrize(
    ("message", "seconds", "body"),
    [("msg_other", SECONDS, BODY), (MESSAGE, SECONDS + 1, BODY), (MESSAGE, SECONDS, BODY + b" ")],
)
def test_all_of_it_is_signed(message: str, seconds: int, body: bytes) -> None:
    assert signature(SECRET, message, seconds, body) != SIGNATURE


def test_any_text_can_be_the_key() -> None:
    assert key_of("a long passphrase") == b"a long passphrase"
    assert key_of("whsec_not base64!") == b"whsec_not base64!"
    assert key_of("whsec_" + base64.b64encode(b"k" * 24).decode()) == b"k" * 24


def test_a_message_is_signed_where_there_is_a_secret() -> None:
    unsigned = {"webhook-id": MESSAGE, "webhook-timestamp": "1614265330"}
    assert signed_headers(None, MESSAGE, SECONDS, BODY) == unsigned
    assert signed_headers(SECRET, MESSAGE, SECONDS, BODY) == {**unsigned, "webhook-signature": SIGNATURE}

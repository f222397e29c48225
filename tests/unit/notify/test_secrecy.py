from __future__ import annotations

import pytest

from ctrain.notify.channels import page_address
from ctrain.notify.secrecy import LONGEST_DETAIL, redacted, shown_address
from tests.support.notices import channel


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://chat.example/hooks/T0K3N?key=S3CR3T", "https://chat.example"),
        ("HTTPS://me:S3CR3T@chat.example:8443/", "https://chat.example:8443"),
        ("http://[::1/", "http"),
        ("slack://T0K3N-A/B/C", "slack"),
        ("mailto://me:S3CR3T@mail.example", "mailto"),
        ("no address", "***"),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert shown_address(url) == shown


SECRETS = {
    "https://me:hunter22@chat.example/hooks/T0K3N-A/x?key=S3CR3T#frag": [
        "me:hunter22",
        "hunter22",
        "T0K3N-A",
        "S3CR3T",
    ],
    "slack://T0K3NA/B1B2B3/C4C4C4": ["T0K3NA", "B1B2B3", "C4C4C4"],
    "mailto://ann:p%40ssword@mail.example?from=ops": ["p%40ssword", "p@ssword", "ann:p%40ssword"],
    "json://localhost/T0K3N": ["T0K3N"],
}


@pytest.mark.parametrize(("url", "secrets"), SECRETS.items())
def test_no_part_of_an_address_that_may_be_secret_is_said(url: str, secrets: list[str]) -> None:
    text = f"cannot send to {url}: {' and '.join(secrets)} were refused"
    found = redacted(text, channel(url=url, secret="whsec_0123456789"))
    assert not [secret for secret in (*secrets, url) if secret in found]
    assert "cannot send to" in found
    assert "were refused" in found


def test_the_server_of_a_webhook_may_be_named_and_its_key_may_not() -> None:
    one = channel(url="https://chat.example/T0K3N", secret="whsec_0123456789")
    assert redacted("chat.example: whsec_0123456789", one) == "chat.example: ***"


def test_details_are_one_short_line() -> None:
    assert redacted("a\x00b\ud800 \x1b[31mc", channel()) == "a b [31mc"
    found = redacted("a\nb " + "x" * 1000, channel())
    assert found.startswith("a b xxx")
    assert len(found) == LONGEST_DETAIL


@pytest.mark.parametrize(
    ("tracking_uri", "address"),
    [
        (None, None),
        ("sqlite:////home/mlflow.db", None),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("https://me:S3CR3T@mlflow.example/base/?token=x", "https://mlflow.example/base"),
    ],
)
def test_links_to_mlflow_hold_no_login(tracking_uri: str | None, address: str | None) -> None:
    assert page_address(tracking_uri) == address

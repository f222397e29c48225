"""The signature of a webhook, as Standard Webhooks writes it (https://www.standardwebhooks.com).

HMAC-SHA256 over ``ID.TIMESTAMP.BODY``: a receiver that checks it knows who sent the body, and, if it
refuses old timestamps and known ids, that nobody sends it again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def signed_headers(secret: str | None, message_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook; without a secret there is no signature among them."""
    headers = {"webhook-id": message_id, "webhook-timestamp": str(unix_seconds)}
    if secret is not None:
        headers["webhook-signature"] = signature(secret, message_id, unix_seconds, body)
    return headers


def signature(secret: str, message_id: str, unix_seconds: int, body: bytes) -> str:
    """Return ``v1,`` and the signature in base64."""
    signed = f"{message_id}.{unix_seconds}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def key_of(secret: str) -> bytes:
    """Return the key: what ``whsec_`` precedes in base64, any other text as it is."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()

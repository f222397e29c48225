"""The ``Notifier`` port: picks the way by the address, and lets no secret of a channel out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ctrain.domain import Delivery
from ctrain.notify import apprise_channel, webhook
from ctrain.notify.secrecy import redacted
from ctrain.notify.wording import body_of, level_of, text_of, title_of
from ctrain.policy.check_notify import is_webhook

if TYPE_CHECKING:
    from ctrain.domain import Channel, Message


class ChannelNotifier:
    """Sends webhooks itself and everything else through apprise; may be used by several threads."""

    def __init__(self, environ: Mapping[str, str], tracking_uri: str | None) -> None:
        """Messages link to MLflow where ``tracking_uri`` is a server."""
        self._environ = environ
        self._mlflow_url = page_address(tracking_uri)

    def send(self, channel: Channel, message: Message) -> Delivery:
        """Return what became of the message; takes a bounded time and never raises."""
        try:
            delivery = self._send(channel, message)
        except Exception as error:  # noqa: BLE001  # a message must not end the thread that carries others
            delivery = Delivery(False, f"unexpected: {type(error).__name__}: {error}", again=True)
        return replace(delivery, detail=redacted(delivery.detail, channel))

    def _send(self, channel: Channel, message: Message) -> Delivery:
        if is_webhook(channel.url):
            body = body_of(message, self._mlflow_url)
            return webhook.post(channel.url, channel.secret, message.key, body, message.sent_at)
        return apprise_channel.tell(
            channel.url,
            title_of(message),
            text_of(message, self._mlflow_url),
            level_of(message),
            self._environ,
        )


def page_address(tracking_uri: str | None) -> str | None:
    """Return where MLflow's pages are, without login; None where it is no server.

    >>> page_address("https://me:key@mlflow.example/")
    'https://mlflow.example'
    """
    if tracking_uri is None or not is_webhook(tracking_uri):
        return None
    parts = urlsplit(tracking_uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")

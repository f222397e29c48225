"""Messages to people and programs: webhooks of our own, everything else through apprise."""

from ctrain.notify.channels import ChannelNotifier

__all__ = ["ChannelNotifier"]

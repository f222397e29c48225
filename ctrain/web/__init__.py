"""What ctrain answers over HTTP: metrics, and whether it is well."""

from ctrain.web.server import Exposition, Health, Server, serve

__all__ = ["Exposition", "Health", "Server", "serve"]

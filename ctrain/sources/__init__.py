"""Where rows come from: read once, from a durable cursor."""

from ctrain.sources.opening import FileSources

__all__ = ["FileSources"]

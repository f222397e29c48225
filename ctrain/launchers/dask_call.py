"""Tasks of a dask cluster whose function is imported when they run, not when they are read.

A worker that cannot unpickle what it is handed ends, and takes along what it does for others; so does the
next one that the task is given to. A task that is put together from functions of dask and the standard
library reaches every worker, and on one that lacks ctrain it fails by itself, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client, Future


def submit_named(
    client: Client,
    key: str,
    function: str,
    arguments: Mapping[str, Any],
    resources: Mapping[str, float] | None = None,
) -> Future[Any]:
    """The future of ``function`` (``module:name``) on a worker that has the resources."""
    from dask.utils import apply

    task: tuple[object, ...] = (apply, (resolve_name, function), [], dict(arguments))
    [future] = client.get({key: task}, [key], sync=False, resources=dict(resources or {}) or None)
    found: Future[Any] = future
    return found

"""Links to MLflow's own pages, or how to open these where MLflow is no server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ctrain.registry.embedded import embedded_database, embedded_tracking_uri

if TYPE_CHECKING:
    from ctrain.queries.pages import RunPage
    from ctrain.settings import Settings

OPEN = "mlflow ui --backend-store-uri"
"""Serves MLflow's pages from a database."""


@dataclass(frozen=True, slots=True)
class MlflowPages:
    """Where a run is in MLflow, for a reader of the console."""

    run: str | None = None
    """Address of the page of the run's MLflow run."""
    versions: dict[str, str] = field(default_factory=dict)
    """Addresses by name, such as that of the version that was trained."""
    command: str = ""
    """Serves MLflow's pages where no server does."""


def mlflow_pages(settings: Settings, found: RunPage) -> MlflowPages:
    """The pages of a run; a command where MLflow is no server, and neither where it lies on another host.

    Credentials in the address of the server are left out, and addresses of databases are not shown.
    """
    base = public_base(settings.tracking_uri)
    if base is None:
        return MlflowPages(command=_command(settings))
    model, detail = quote(found.model, safe=""), found.detail
    versions = {"challenger": detail.run.challenger_version, "champion": detail.run.champion_version}
    return MlflowPages(
        run=f"{base}/#/runs/{quote(detail.mlflow_run_id, safe='')}" if detail.mlflow_run_id else None,
        versions={
            f"{name} version {version}": f"{base}/#/models/{model}/versions/{quote(version, safe='')}"
            for name, version in versions.items()
            if version is not None
        },
    )


def public_base(tracking_uri: str | None) -> str | None:
    """The address of an MLflow server as a page may show it; None for anything but a server.

    >>> public_base("https://ann:secret@mlflow.example:8443/ml/"), public_base("sqlite:///mlflow.db")
    ('https://mlflow.example:8443/ml', None)
    """
    parts = urlsplit(tracking_uri or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _command(settings: Settings) -> str:
    if settings.tracking_uri is not None:
        return f'{OPEN} "$MLFLOW_TRACKING_URI"'
    if embedded_database(settings.home).exists():
        return f"{OPEN} {embedded_tracking_uri(settings.home)}"
    return ""

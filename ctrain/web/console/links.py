"""Links to MLflow's own pages, where it has any."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from ctrain.queries.pages import RunPage


def mlflow_links(tracking_uri: str | None, found: RunPage) -> dict[str, str]:
    """Names and addresses, such as the version that was trained; none where MLflow is no server.

    Credentials in the address of the server are left out.
    """
    base = public_base(tracking_uri)
    if base is None:
        return {}
    model, run = quote(found.model, safe=""), found.detail.run
    versions = {"challenger": run.challenger_version, "champion": run.champion_version}
    return {
        f"{name} version {version}": f"{base}/#/models/{model}/versions/{quote(version, safe='')}"
        for name, version in versions.items()
        if version is not None
    }


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

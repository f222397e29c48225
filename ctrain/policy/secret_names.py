"""Which environment variables hold secrets, by their names, and where a policy must not spell them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ctrain.policy.document import KeyPath, Problem

_SECRET_NAME = re.compile(
    r"passw|secret|token|api_?key|access_?key|credential|private_?key|webhook|notify_url|signing",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
RECORDED = ("params", "command", "tune", "python", "entrypoint", "candidates")
"""Keys of ``train`` whose values are written into every run's record, here and in MLflow."""


def looks_secret(name: str) -> bool:
    """Tell whether a variable or a field of this name is likely to hold a secret.

    >>> looks_secret("MLFLOW_TRACKING_PASSWORD"), looks_secret("FLIGHTS")
    (True, False)
    """
    return _SECRET_NAME.search(name) is not None


def recorded_secrets(values: Any) -> Iterator[Problem]:
    """Return a problem for each secret that would be written into the record of every training.

    ``values`` are those of the file, placeholders unexpanded, and need not be well formed.
    """
    train = values.get("train") if isinstance(values, Mapping) else None
    given = train if isinstance(train, Mapping) else {}
    for key in RECORDED:
        for path, text in _texts(given.get(key), ("train", key)):
            for name in filter(looks_secret, _PLACEHOLDER.findall(text)):
                remedy = f"name it in train.env and read it there: {key} is on record with every run"
                yield Problem(path, f"the secret {name} does not belong here; {remedy}")


def without_secrets(text: str, values: Any, environ: Mapping[str, str]) -> str:
    """``text`` with the secrets that ``values`` took from the environment as they stand in the file."""
    found = {name for _, one in _texts(values, ()) for name in _PLACEHOLDER.findall(one)}
    secrets = {environ[name]: name for name in found if looks_secret(name) and environ.get(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, f"${{{secrets[secret]}}}")
    return text


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*path, key))
    elif isinstance(value, list):
        for position, one in enumerate(value):
            yield from _texts(one, (*path, position))

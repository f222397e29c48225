"""Versions, aliases and tags in memory: a backtest reads no registry, and writes to none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ctrain.domain import ModelVersion, RunId, Version
from ctrain.errors import PermanentError

RUN_TAG = "ctrain.run_id"
DIGEST_TAG = "ctrain.digest"


class MemoryRegistry:
    """A ``Registry`` of one model; a version's source is the folder that its training left."""

    def __init__(self) -> None:
        self._versions: dict[Version, ModelVersion] = {}
        self._aliases: dict[str, Version] = {}

    def register(self, model: str, folder: str, tags: Mapping[str, str]) -> ModelVersion:
        """Return the next version, the artifact of which lies in ``folder``."""
        version = Version(str(len(self._versions) + 1))
        self._versions[version] = ModelVersion(model, version, folder, None, dict(tags))
        return self._versions[version]

    def alias(self, model: str, alias: str) -> Version | None:  # noqa: ARG002 - there is one model
        return self._aliases.get(alias)

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        self.version(model, version)
        self._aliases[alias] = version

    def delete_alias(self, model: str, alias: str) -> None:  # noqa: ARG002 - there is one model
        self._aliases.pop(alias, None)

    def version(self, model: str, version: Version) -> ModelVersion:
        known = self._versions.get(version)
        if known is None:
            raise PermanentError(f"there is no version {version} of {model}")
        return known

    def find_version(self, model: str, run_id: RunId) -> ModelVersion | None:  # noqa: ARG002 - one model
        found = [one for one in self._versions.values() if one.tags.get(RUN_TAG) == run_id]
        return found[-1] if found else None

    def digest(self, model: str, version: Version) -> str:
        """The digest on record; every scoring compares the folder with it."""
        return self.version(model, version).tags[DIGEST_TAG]

    def annotate_run(
        self,
        mlflow_run_id: str,
        *,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        artifacts: Mapping[str, str] | None = None,
        status: str | None = None,
    ) -> None:
        """Nothing is kept: there is no run in MLflow."""

    def attach_files(self, mlflow_run_id: str, files: Mapping[str, str]) -> None:
        """Nothing is kept: there is no run in MLflow."""

    def annotate_version(
        self,
        model: str,
        version: Version,
        *,
        tags: Mapping[str, str],
        description: str | None = None,  # noqa: ARG002 - nobody reads it here
    ) -> None:
        known = self.version(model, version)
        self._versions[version] = replace(known, tags={**known.tags, **tags})

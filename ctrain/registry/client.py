"""The ``Registry`` port over MLflow, which runs in a child that is started when it is needed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ctrain.children import child_command, child_environment
from ctrain.domain import ModelVersion, RunId, Version
from ctrain.errors import PermanentError, TransientError
from ctrain.registry.adoption import AdoptionReport, parse_adoption
from ctrain.registry.lane import RETRY_IN, Lane

LOADING_SECONDS = 600.0
"""For a model that is fetched, loaded and tried, as long as the scorer waits for one."""
FETCHING_SECONDS = 240.0
"""For an artifact that is fetched to be hashed; a tick that promotes does so twice, and counts as hanging
after ten minutes."""
FETCHING_IDLE_SECONDS = 20.0


class MlflowRegistry:
    """A ``Registry`` on any MLflow server or database; safe to call from several threads.

    The child ends by itself after ``idle_seconds`` without a call, to give its memory back, and is
    started again at the next one. A call that gets no answer within ``timeout_seconds`` kills it. Artifacts
    are fetched by another one, which has ``fetching_seconds``: nobody else waits for a large one.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        python: str = "",
        timeout_seconds: float = 60.0,
        idle_seconds: float = 300.0,
        loading_seconds: float = LOADING_SECONDS,
        fetching_seconds: float = FETCHING_SECONDS,
        declared: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._tracking_uri, self._python = tracking_uri, python
        self._loading_seconds = loading_seconds
        self._environment = child_environment(
            os.environ if environ is None else environ,
            tracking_uri=tracking_uri,
            threads=1,
            declared=declared,
        )
        lane = partial(Lane, python, self._environment, without_credentials(f"MLflow at {tracking_uri}"))
        self._asking = lane(timeout_seconds=timeout_seconds, idle_seconds=idle_seconds)
        self._fetching = lane(
            timeout_seconds=fetching_seconds, idle_seconds=min(idle_seconds, FETCHING_IDLE_SECONDS)
        )

    def alias(self, model: str, alias: str) -> Version | None:
        """The version that the alias names, or None when MLflow confirms that there is none."""
        found = self._call("alias", model=model, alias=alias)
        return None if found is None else Version(found)

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        """Point the alias at a version; PermanentError when there is no such version."""
        self._call("set_alias", model=model, alias=alias, version=version)

    def delete_alias(self, model: str, alias: str) -> None:
        """Remove the alias; nothing to do when there is none."""
        self._call("delete_alias", model=model, alias=alias)

    def version(self, model: str, version: Version) -> ModelVersion:
        """The version; PermanentError when MLflow confirms that there is none."""
        return _version(self._call("version", model=model, version=version))

    def find_version(self, model: str, run_id: RunId) -> ModelVersion | None:
        """The version registered by this run of ctrain, if any."""
        found = self._call("find_version", model=model, run_id=run_id)
        return None if found is None else _version(found)

    def digest(self, model: str, version: Version) -> str:
        """SHA-256 over the artifact as it lies in the registry now."""
        return str(self._call("digest", model=model, version=version))

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
        """Add to an MLflow run; a parameter that is there keeps its value, as MLflow wants it."""
        self._call(
            "annotate_run",
            mlflow_run_id=mlflow_run_id,
            tags=dict(tags or {}),
            metrics=dict(metrics or {}),
            params=dict(params or {}),
            artifacts=dict(artifacts or {}),
            status=status,
        )

    def attach_files(self, mlflow_run_id: str, files: Mapping[str, str]) -> None:
        """Add files to an MLflow run, by the names that they get there; the same name is replaced."""
        self._call("attach_files", mlflow_run_id=mlflow_run_id, files=dict(files))

    def annotate_version(
        self, model: str, version: Version, *, tags: Mapping[str, str], description: str | None = None
    ) -> None:
        """Set tags, and the description when one is given."""
        self._call("annotate_version", model=model, version=version, tags=dict(tags), description=description)

    def adopt(self, model: str, version: Version, *, model_python: str = "") -> AdoptionReport:
        """What a version that ctrain did not train is, found out by loading it in a child of its own.

        Raises
        ------
        TransientError
            when MLflow does not answer or the child does not end in time.
        PermanentError
            when there is no such version.
        """
        source = self.version(model, version).source
        command = child_command(model_python or self._python, "adopt", source)
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=self._loading_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError(
                f"version {version} of {model} cannot be examined: fetching, loading and trying it took "
                f"longer than {self._loading_seconds:g} s"
            ) from error
        except OSError as error:
            raise TransientError(f"version {version} of {model} cannot be examined: {error}") from error
        words = done.stderr.decode(errors="replace")
        found = parse_adoption(model, version, done.returncode, done.stdout.decode(), words)
        return replace(found, python=model_python)

    def close(self) -> None:
        """End the children, if there are any; a later call starts others."""
        for lane in (self._asking, self._fetching):
            lane.close()

    def interrupt(self) -> None:
        """End calls under way, and refuse later ones: whoever waits for MLflow waits no longer."""
        for lane in (self._asking, self._fetching):
            lane.interrupt()

    def _call(self, name: str, **arguments: Any) -> Any:
        lane = self._fetching if name == "digest" else self._asking
        answer = lane.ask({"call": name, "arguments": arguments})
        if "error" not in answer:
            return answer["result"]
        if answer["error"] == "missing":
            raise PermanentError(str(answer["message"]))
        raise TransientError(
            without_credentials(f"MLflow at {self._tracking_uri} failed in {name!r}: {answer['message']}"),
            RETRY_IN,
        )


def without_credentials(text: str) -> str:
    """The text with user and password taken out of every address.

    >>> without_credentials("MLflow at https://ann:pw@mlflow.example:5000 is away")
    'MLflow at https://mlflow.example:5000 is away'
    """
    return re.sub(r"(?<=://)[^/\s@]+@", "", text)


def _version(found: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(
        model=found["model"],
        version=Version(found["version"]),
        source=found["source"],
        mlflow_run_id=found["mlflow_run_id"] or None,
        tags=found["tags"],
    )

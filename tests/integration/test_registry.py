"""The registry client against a real MLflow: what is absent, what cannot be told, what is written."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from ctrain.domain import RunId, Task, Version
from ctrain.errors import PermanentError, TransientError
from ctrain.registry.client import MlflowRegistry
from ctrain.registry.embedded import embedded_tracking_uri
from tests.integration.conftest import Embedded, Trained
from tests.support.processes import words_of
from tests.waiting import wait_until

MODEL = "flights"


def registry_children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "registry" in words_of(one)]


@pytest.fixture(scope="module")
def version(trained: Mapping[str, Trained]) -> Version:
    return Version(trained["train"].status.result["version"])


def test_an_alias_is_set_read_moved_and_removed(
    registry: MlflowRegistry, trained: Mapping[str, Trained], version: Version
) -> None:
    other = Version(trained["own_model"].status.result["version"])
    assert registry.alias(MODEL, "champion") is None
    registry.set_alias(MODEL, "champion", version)
    assert registry.alias(MODEL, "champion") == version
    registry.set_alias(MODEL, "champion", other)
    assert registry.alias(MODEL, "champion") == other
    registry.delete_alias(MODEL, "champion")
    registry.delete_alias(MODEL, "champion")
    assert registry.alias(MODEL, "champion") is None


def test_of_a_model_that_is_not_there_nothing_is_champion(registry: MlflowRegistry) -> None:
    assert registry.alias("no such model", "champion") is None
    assert registry.find_version("no such model", RunId("run-train")) is None
    registry.delete_alias("no such model", "champion")


def test_a_run_that_was_deleted_is_a_permanent_error(registry: MlflowRegistry, embedded: Embedded) -> None:
    import mlflow

    client = mlflow.MlflowClient(embedded.uri)
    run_id = client.create_run(client.create_experiment("deleted")).info.run_id
    registry.annotate_run(run_id, tags={"ctrain.outcome": "rejected"})
    client.delete_run(run_id)
    with pytest.raises(PermanentError, match=f"the MLflow run {run_id} was deleted"):
        registry.annotate_run(run_id, tags={"ctrain.outcome": "rejected"})
    with pytest.raises(PermanentError, match="MLflow has no run nobody"):
        registry.attach_files("nobody", {})


def test_a_version_that_is_not_there_is_a_permanent_error(registry: MlflowRegistry, version: Version) -> None:
    for call in (
        registry.version,
        registry.digest,
        lambda model, one: registry.set_alias(model, "champion", one),
    ):
        with pytest.raises(PermanentError, match="the registry has no version 999 of flights"):
            call(MODEL, Version("999"))
    assert registry.alias(MODEL, "champion") is None


def test_a_version_is_found_by_its_run_and_its_artifact_by_its_digest(
    registry: MlflowRegistry, trained: Mapping[str, Trained], version: Version
) -> None:
    found = registry.find_version(MODEL, RunId("run-train"))
    assert found is not None
    assert found == registry.version(MODEL, version)
    assert found.mlflow_run_id == trained["train"].status.result["mlflow_run_id"]
    assert registry.find_version(MODEL, RunId("run-fail")) is None
    assert registry.digest(MODEL, version) == found.digest == trained["train"].status.result["digest"]


def test_a_changed_artifact_has_another_digest(
    registry: MlflowRegistry, trained: Mapping[str, Trained]
) -> None:
    regress = registry.version("delay", Version(trained["regress"].status.result["version"]))
    planted = Path(regress.source.removeprefix("file://")) / "extra.py"
    planted.write_text("1")
    try:
        assert registry.digest("delay", regress.version) != regress.digest
    finally:
        planted.unlink()
    assert registry.digest("delay", regress.version) == regress.digest


def test_annotations_can_be_repeated(
    registry: MlflowRegistry, embedded: Embedded, trained: Mapping[str, Trained], tmp_path: Path
) -> None:
    import mlflow

    picture = tmp_path / "drawn.png"
    picture.write_bytes(bytes(range(256)))
    version = Version(trained["regress"].status.result["version"])
    run_id = trained["regress"].status.result["mlflow_run_id"]
    for _ in range(2):
        registry.annotate_run(
            run_id,
            tags={"ctrain.outcome": "rejected"},
            metrics={"challenger_brier": 0.2},
            params={"rows": "other", "holdout_until": "2013-02-10"},
            artifacts={"gates.txt": "all passed"},
            status="FINISHED",
        )
        registry.annotate_version(
            "delay", version, tags={"ctrain.outcome": "rejected"}, description="It lost."
        )
        registry.attach_files(run_id, {"explanation/plot.png": str(picture)})
    client = mlflow.MlflowClient(embedded.uri)
    run = client.get_run(run_id)
    attached = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path="explanation/plot.png", tracking_uri=embedded.uri
    )
    assert Path(attached).read_bytes() == picture.read_bytes()
    assert run.data.tags["ctrain.outcome"] == "rejected"
    assert run.data.params["rows"] == "200"
    assert run.data.params["holdout_until"] == "2013-02-10"
    assert [one.value for one in client.get_metric_history(run_id, "challenger_brier")] == [0.2]
    assert "gates.txt" in {one.path for one in client.list_artifacts(run_id)}
    assert registry.version("delay", version).tags["ctrain.outcome"] == "rejected"
    assert client.get_model_version("delay", version).description == "It lost."


def test_calls_go_on_after_the_child_died(registry: MlflowRegistry, version: Version) -> None:
    registry.version(MODEL, version)
    for child in registry_children():
        os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: not registry_children(), what="the end of the child")
    assert registry.version(MODEL, version).version == version
    assert registry.alias(MODEL, "nobody") is None


class NotFound(BaseHTTPRequestHandler):
    """What stands before a server that is down: a proxy whose page says 404."""

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Empty(BaseHTTPRequestHandler):
    """What stands before a server that is down: a gateway that says yes to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_answer_without_content_names_no_champion_and_changes_nothing() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever).start()
        registry = MlflowRegistry(f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(
                TransientError, match="failed in 'alias': ValueError: the answer names no ver"
            ):
                registry.alias(MODEL, "champion")
            with pytest.raises(TransientError, match="failed in 'version': ValueError"):
                registry.version(MODEL, Version("1"))
            with pytest.raises(TransientError, match="failed in 'digest': ValueError"):
                registry.digest(MODEL, Version("1"))
            with pytest.raises(TransientError, match="failed in 'set_alias': ValueError"):
                registry.set_alias(MODEL, "champion", Version("1"))
            with pytest.raises(TransientError, match="'find_version': ValueError: the answer names no exp"):
                registry.find_version(MODEL, RunId("run-train"))
            with pytest.raises(TransientError, match="'annotate_run': ValueError: the answer names no run"):
                registry.annotate_run("some-run", tags={"ctrain.outcome": "rejected"})
        finally:
            server.shutdown()
            registry.close()


def test_a_server_that_is_down_or_hidden_is_no_absent_champion() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    registry = MlflowRegistry(
        f"http://ann:canary-hunter2@127.0.0.1:{port}",
        environ={**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    )
    with pytest.raises(TransientError, match="failed in 'alias'") as caught:
        registry.alias(MODEL, "champion")
    assert f"http://127.0.0.1:{port}" in str(caught.value)
    assert "canary" not in str(caught.value), "an address is told without its password"
    with ThreadingHTTPServer(("127.0.0.1", port), NotFound) as server:
        threading.Thread(target=server.serve_forever).start()
        with pytest.raises(TransientError, match=r"failed in 'alias'.*; this is no answer of MLflow"):
            registry.alias(MODEL, "champion")
        with pytest.raises(TransientError, match="failed in 'version'"):
            registry.version(MODEL, Version("1"))
        with pytest.raises(TransientError, match="failed in 'find_version'"):
            registry.find_version(MODEL, RunId("run-train"))
        server.shutdown()
    registry.close()


def test_a_server_that_does_not_answer_is_given_up(trained: Mapping[str, Trained]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = MlflowRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.3)
        with pytest.raises(TransientError, match=r"did not answer 'alias' within 0\.3 s"):
            registry.alias(MODEL, "champion")
        registry.close()


def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    registry = MlflowRegistry(embedded_tracking_uri(tmp_path))
    with pytest.raises(TransientError, match=r"mlflow\.db is gone"):
        registry.alias(MODEL, "champion")
    registry.close()
    assert not list(tmp_path.iterdir())


def test_an_idle_child_gives_its_memory_back_and_the_next_call_starts_another(
    embedded: Embedded, version: Version
) -> None:
    registry = MlflowRegistry(embedded.uri, idle_seconds=0.2)
    before = {one.pid for one in registry_children()}
    assert registry.version(MODEL, version).version == version
    wait_until(lambda: {one.pid for one in registry_children()} <= before, what="the end of the idle child")
    registry.close()


def test_adopting_finds_out_what_a_model_is(
    registry: MlflowRegistry, trained: Mapping[str, Trained], version: Version
) -> None:
    own = Version(trained["own_model"].status.result["version"])
    with ThreadPoolExecutor() as side_by_side:
        sklearn, pyfunc = side_by_side.map(lambda one: registry.adopt(MODEL, one), [version, own])
    assert (sklearn.problem, sklearn.loads, sklearn.predicts) == ("", True, True)
    assert (sklearn.flavour, sklearn.output_kind, sklearn.outputs) == ("sklearn", "probability", 2)
    assert sklearn.features == {"numeric": ("distance",), "categorical": ("carrier",)}
    assert sklearn.digest == trained["train"].status.result["digest"]
    assert sklearn.likely_task is Task.BINARY
    assert (pyfunc.problem, pyfunc.loads, pyfunc.predicts) == ("", True, True)
    assert (pyfunc.flavour, pyfunc.output_kind, pyfunc.outputs) == ("pyfunc", "value", 1)


def test_the_embedded_database_is_its_owners_alone(embedded: Embedded) -> None:
    """Whatever the mask of the tests is: the child that makes it has its own."""
    assert (embedded.home / "mlflow.db").stat().st_mode & 0o777 == 0o600

"""A dask cluster that speaks TLS, by what dask's own variables say in the daemon's environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ctrain.app.cluster_profile import cluster_at
from ctrain.clocks import RealTimer
from ctrain.domain import JobState
from ctrain.errors import CtrainError
from ctrain.launchers.dask import DaskLauncher
from ctrain.launchers.dask_cluster import DaskClusters
from tests.support.clusters import Cluster
from tests.support.trainers import end_of, stand_in_job

OF_DASK = "DASK_DISTRIBUTED__COMM__"
ROLES = ("SCHEDULER", "WORKER", "CLIENT")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Variables that name one certificate, which is its own authority, for all who take part."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=cluster"
    subprocess.run(
        ["openssl", *words.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    named = {
        f"{role}__{part}": path for role in ROLES for part, path in (("CERT", certificate), ("KEY", key))
    }
    return {f"{OF_DASK}TLS__{name}": path for name, path in {"CA_FILE": certificate, **named}.items()}


@pytest.fixture(scope="module")
def cluster(certificates: Mapping[str, str]) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**certificates, f"{OF_DASK}DEFAULT_SCHEME": "tls"}.items():
            patch.setenv(name, value)
        with Cluster.started(workers=1) as cluster:
            yield cluster


@pytest.mark.service("openssl")
@pytest.mark.slow  # five seconds: a cluster of its own
def test_a_training_runs_where_the_variables_name_certificates(
    cluster: Cluster, certificates: Mapping[str, str], tmp_path: Path
) -> None:
    assert cluster.address.startswith("tls://127.0.0.1:")
    clusters = DaskClusters(RealTimer(), {**os.environ, **certificates})
    launcher = DaskLauncher(clusters, "http://127.0.0.1:9", RealTimer())
    job = stand_in_job(tmp_path, "pass", launcher={"type": "dask", "address": cluster.address})
    try:
        launcher.start(job)
        assert end_of(launcher, job).state is JobState.SUCCEEDED
    finally:
        clusters.close()


def test_a_cluster_with_tls_is_not_asked_without_certificates() -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.tls.ca-file": None}),
        pytest.raises(CtrainError, match=r"tls://127\.0\.0\.1:9 cannot be reached: .*TLS__CLIENT__CERT"),
        cluster_at("tls://127.0.0.1:9"),
    ):
        raise AssertionError("nobody is reached")

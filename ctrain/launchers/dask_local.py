"""A dask cluster of this machine: ``python -P -m ctrain.launchers.dask_local WORKERS``.

It says on one line ``{"address", "certificate", "key"}``: it listens on loopback only, and speaks to nobody
without that certificate, which exists in memory alone. Each worker is a process of its own, started again
when it is lost, with ``train: 1`` of dask's resources. The cluster ends with its parent.
"""

from __future__ import annotations

import json
import os
import sys

from ctrain.launchers.local_cluster import ONE_TRAINING

THREADS = 2
"""Of a worker: one trains, one scores."""
LOOPBACK = "127.0.0.1"
QUIET = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.low-level-log-length": 0,
}


def main(arguments: list[str]) -> int:
    import dask
    from distributed import LocalCluster, Security

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    workers = int(arguments[0])
    dask.config.set(QUIET)
    security = Security.temporary()
    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=THREADS,
        processes=True,
        host=LOOPBACK,
        protocol="tls://",
        security=security,
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0",
        resources=dict(ONE_TRAINING),
        silence_logs=False,
        memory_limit=0,
        env={"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // workers))},
    )
    told = {
        "address": cluster.scheduler_address,
        "certificate": security.tls_client_cert,
        "key": security.tls_client_key,
    }
    answers.write(json.dumps(told) + "\n")
    sys.stdin.read()  # until the parent is gone
    cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What serving the models of a run costs, for the gates that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, Run
from ctrain.engine.child_scores import measure_serving
from ctrain.engine.digests import known_version
from ctrain.engine.moves import MOVED, WAITING, Step, move
from ctrain.engine.scored import Scored
from ctrain.lifecycle.transitions import RunEvent
from ctrain.policy.models import ServingGate

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

PROBED_ROWS = 1000


def measured_serving(watch: Watch, run: Run, rows: pa.Table) -> Step | dict[str, Any]:
    """What probes of the challenger and of the champion found, by ``challenger`` and ``champion``.

    Empty: no gate asks. A step: it is being measured, one model after the other so that neither slows
    the other down, or the run has ended because a model does not load in a clean child.
    """
    if not any(isinstance(gate, ServingGate) for gate in watch.policy.gates):
        return {}
    found: dict[str, Any] = {}
    keys = []
    for role, version in (("challenger", run.challenger_version), ("champion", run.champion_version)):
        if version is None:
            continue
        model = known_version(watch, version)
        keys.append(f"{run.id}/serving-{version}")
        measured = measure_serving(watch, keys[-1], model, rows.slice(0, PROBED_ROWS))
        if isinstance(measured, Scored):
            if measured.state == "pending":
                return WAITING
            move(watch, run, RunEvent.FAIL, measured.message)
            return MOVED
        found[role] = dict(measured)
    for key in keys:
        watch.scorer.forget(key)
    return found


def serving_metrics(found: Mapping[str, Json]) -> dict[str, float]:
    """The metrics that gates judge: numbers of the challenger, and how it compares with the champion."""
    if not found:
        return {}
    challenger = found["challenger"]
    names = ("latency_p50_ms", "latency_p99_ms", "size_bytes", "deterministic")
    metrics = {name: float(challenger[name]) for name in names if name in challenger}
    if "champion" in found:
        metrics["same_signature"] = float(_signature(challenger) == _signature(found["champion"]))
    return metrics


def _signature(found: Json) -> list[list[str]]:
    """Names and types of the inputs; their order means nothing to a table."""
    return sorted(list(one) for one in found.get("signature", ()))

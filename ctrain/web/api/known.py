"""What a path names has to be there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, Request

from ctrain.domain import PolicyName, Run, RunId
from ctrain.web.api.fields import NameInPath, RunInPath
from ctrain.web.backend import Backend
from ctrain.web.problems import Refusal

MOST_NAMED = 20


def backend_of(request: Request) -> Backend:
    return cast("Backend", request.app.state.backend)


Here = Annotated[Backend, Depends(backend_of)]


def known_policy(name: NameInPath, here: Here) -> PolicyName:
    """The policy of the path; 404 names those there are."""
    policy = PolicyName(name)
    with here.store.read() as tx:
        if tx.policy_record(policy) is not None:
            return policy
        known = tx.policies()
    named = ", ".join(known[:MOST_NAMED]) + (", ..." if len(known) > MOST_NAMED else "")
    raise Refusal(
        HTTPStatus.NOT_FOUND,
        f"there is no policy {name} here; known: {named or 'none yet'} (GET /v1/policies)",
    )


def known_run(run_id: RunInPath, here: Here) -> Run:
    """The run of the path; 404 names the newest."""
    with here.store.read() as tx:
        run = tx.run(RunId(run_id))
        newest = ", ".join(one.id for one in tx.runs(limit=5)) if run is None else ""
    if run is None:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            f"there is no run {run_id}; the newest: {newest or 'none yet'} (GET /v1/runs)",
        )
    return run


ThePolicy = Annotated[PolicyName, Depends(known_policy)]
TheRun = Annotated[Run, Depends(known_run)]

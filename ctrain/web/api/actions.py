"""What people and pipelines ask for: 202 with the number of a request, which a daemon carries out."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response

from ctrain.domain import PolicyName, Request, RequestKind, Run
from ctrain.web.api import run_models
from ctrain.web.api.fields import NumberInPath
from ctrain.web.api.known import Here, ThePolicy, TheRun
from ctrain.web.auth import Caller, approver, operator, viewer
from ctrain.web.problems import Refusal

router = APIRouter(tags=["actions"])
Operator = Annotated[Caller, Depends(operator)]
Approver = Annotated[Caller, Depends(approver)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{0,200}$",
        description="The same key with the same request does it once, and is answered alike for 7 days; with "
        "another request it is refused.",
    ),
]
ON_RECORD: dict[str, Any] = {
    "status_code": HTTPStatus.ACCEPTED,
    "response_model": run_models.Request,
    "responses": {
        503: {
            "description": "Nobody would do it now, or the database is away: ask again after `Retry-After`."
        }
    },
}
"""Of a route that puts a request on record."""
NO_REASON, NO_TRIGGER, NO_ANSWER = run_models.Reason(), run_models.Trigger(), run_models.Answer()
NO_ROLLBACK = run_models.Rollback()


class Desk:
    """Puts on record what is asked for under a key, and says where to ask how it went."""

    def __init__(self, here: Here, response: Response, key: Key = "") -> None:
        self._actions, self._response, self._key = here.actions, response, key

    def ask(
        self,
        policy: PolicyName,
        kind: RequestKind,
        caller: Caller,
        arguments: Mapping[str, Any],
        sent: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The request as it stands on record; ``sent`` is what the caller sent, where that is less."""
        return self._told(self._actions.ask(policy, kind, caller.actor, arguments, self._key, sent))

    def decide(self, run: Run, kind: RequestKind, caller: Caller, body: run_models.Answer) -> dict[str, Any]:
        """The answer to a run; the earlier one also when the run waits no more because of it."""
        sent = {"run": run.id, "reason": body.reason, "evidence": body.evidence}
        earlier = self._actions.earlier(run.policy, kind, caller.actor, sent, self._key)
        if earlier is not None:
            return self._told(earlier)
        arguments = {"run": run.id, "reason": body.reason, **self._bound(run, body.evidence)}
        return self.ask(run.policy, kind, caller, arguments, sent)

    def _bound(self, run: Run, evidence: str) -> dict[str, Any]:
        """What the answer is about: as the run stands, unless the caller has seen something else."""
        _, bound = self._actions.awaiting(run.id)
        if evidence and not bound["evidence"].startswith(evidence):
            bound["evidence"] = evidence
        return bound

    def _told(self, request: Request) -> dict[str, Any]:
        self._response.headers["Location"] = f"/v1/requests/{request.id}"
        return _shown(request)


TheDesk = Annotated[Desk, Depends()]


@router.post("/policies/{name}/trigger", **ON_RECORD)
def trigger(
    caller: Operator, desk: TheDesk, name: ThePolicy, body: run_models.Trigger = NO_TRIGGER
) -> dict[str, Any]:
    """Start a run now, past cooldown and backoff; without a daemon the next one does it."""
    return desk.ask(name, RequestKind.TRIGGER, caller, {"reason": body.reason, "params": body.params})


@router.post("/policies/{name}/rollback", **ON_RECORD)
def rollback(
    caller: Operator, desk: TheDesk, name: ThePolicy, body: run_models.Rollback = NO_ROLLBACK
) -> dict[str, Any]:
    """Make the previous champion the champion again."""
    return desk.ask(name, RequestKind.ROLLBACK, caller, body.model_dump(exclude_none=True))


@router.post("/policies/{name}/pause", response_model=run_models.Pause)
def pause(caller: Operator, name: ThePolicy, here: Here) -> dict[str, Any]:
    """Start no more runs; what runs goes on, and sensing too."""
    here.actions.set_paused(name, True, caller.actor)
    return {"policy": name, "paused": True}


@router.post("/policies/{name}/resume", response_model=run_models.Pause)
def resume(caller: Operator, name: ThePolicy, here: Here) -> dict[str, Any]:
    """Let triggers start runs again."""
    here.actions.set_paused(name, False, caller.actor)
    return {"policy": name, "paused": False}


@router.post("/runs/{run_id}/cancel", **ON_RECORD)
def cancel(
    caller: Operator, desk: TheDesk, run: TheRun, body: run_models.Reason = NO_REASON
) -> dict[str, Any]:
    """Cancel a run; on probation that rolls it back, while promoting it is refused."""
    return desk.ask(run.policy, RequestKind.CANCEL, caller, {"run": run.id, "reason": body.reason})


@router.post("/runs/{run_id}/approve", **ON_RECORD)
def approve(
    caller: Approver, desk: TheDesk, run: TheRun, body: run_models.Answer = NO_ANSWER
) -> dict[str, Any]:
    """Approve the promotion of the challenger that the run waits with."""
    return desk.decide(run, RequestKind.APPROVE, caller, body)


@router.post("/runs/{run_id}/reject", **ON_RECORD)
def reject(
    caller: Approver, desk: TheDesk, run: TheRun, body: run_models.Answer = NO_ANSWER
) -> dict[str, Any]:
    """Reject the challenger that the run waits with; it is not tried again."""
    return desk.decide(run, RequestKind.REJECT, caller, body)


@router.get("/requests/{number}", response_model=run_models.Request, dependencies=[Depends(viewer)])
def request(number: NumberInPath, here: Here) -> dict[str, Any]:
    """What was asked for, and how it went."""
    with here.store.read() as tx:
        found = tx.request(number)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no request {number}")
    return _shown(found)


@router.post("/reload", status_code=HTTPStatus.ACCEPTED, response_model=run_models.Reload)
def reload(caller: Operator, here: Here, response: Response) -> dict[str, Any]:
    """Let every daemon read all policy files now."""
    with here.store.write() as tx:
        number = tx.ask_reload(caller.actor, here.timer.now())
    response.headers["Location"] = f"/v1/reloads/{number}"
    return {"number": number}


@router.get("/reloads/{number}", response_model=run_models.Reload, dependencies=[Depends(viewer)])
def reload_outcomes(number: NumberInPath, here: Here) -> dict[str, Any]:
    """Which daemons have read the files since, and what is wrong with these."""
    with here.store.read() as tx:
        newest = tx.newest_reload()
        outcomes = tx.reload_outcomes(number)
    if newest is None or number > newest.number:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no reload {number}")
    return {"number": number, "outcomes": outcomes}


@router.get("/whoami", response_model=run_models.WhoAmI)
def whoami(caller: Annotated[Caller, Depends(viewer)]) -> Caller:
    """As whom the request counts."""
    return caller


def _shown(request: Request) -> dict[str, Any]:
    state = "open" if not request.answer else "refused" if request.answer.startswith("refused") else "done"
    fields = ("id", "policy", "kind", "actor", "created_at", "answer", "arguments")
    return {**{name: getattr(request, name) for name in fields}, "state": state}

"""What people and pipelines ask for: 202 with the number of a request, which a daemon carries out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response

from ctrain.domain import Request, RequestKind
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
ACCEPTED = HTTPStatus.ACCEPTED
NO_REASON, NO_TRIGGER, NO_ANSWER = run_models.Reason(), run_models.Trigger(), run_models.Answer()
NO_ROLLBACK = run_models.Rollback()


@router.post("/policies/{name}/trigger", status_code=ACCEPTED, response_model=run_models.Request)
def trigger(
    caller: Operator,
    name: ThePolicy,
    here: Here,
    response: Response,
    body: run_models.Trigger = NO_TRIGGER,
    key: Key = "",
) -> dict[str, Any]:
    """Start a run now, past cooldown and backoff; without a daemon the next one does it."""
    arguments = {"reason": body.reason, "params": body.params}
    return _told(here.actions.ask(name, RequestKind.TRIGGER, caller.actor, arguments, key), response)


@router.post("/policies/{name}/rollback", status_code=ACCEPTED, response_model=run_models.Request)
def rollback(
    caller: Operator,
    name: ThePolicy,
    here: Here,
    response: Response,
    body: run_models.Rollback = NO_ROLLBACK,
    key: Key = "",
) -> dict[str, Any]:
    """Make the previous champion the champion again."""
    arguments = {"reason": body.reason, **({} if body.champion is None else {"champion": body.champion})}
    return _told(here.actions.ask(name, RequestKind.ROLLBACK, caller.actor, arguments, key), response)


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


@router.post("/runs/{run_id}/cancel", status_code=ACCEPTED, response_model=run_models.Request)
def cancel(
    caller: Operator,
    run: TheRun,
    here: Here,
    response: Response,
    body: run_models.Reason = NO_REASON,
    key: Key = "",
) -> dict[str, Any]:
    """Cancel a run; on probation that rolls it back, while promoting it is refused."""
    arguments = {"run": run.id, "reason": body.reason}
    return _told(here.actions.ask(run.policy, RequestKind.CANCEL, caller.actor, arguments, key), response)


@router.post("/runs/{run_id}/approve", status_code=ACCEPTED, response_model=run_models.Request)
def approve(
    caller: Approver,
    run: TheRun,
    here: Here,
    response: Response,
    body: run_models.Answer = NO_ANSWER,
    key: Key = "",
) -> dict[str, Any]:
    """Approve the promotion of the challenger that the run waits with."""
    return _told(_decided(here, caller, run, RequestKind.APPROVE, body, key), response)


@router.post("/runs/{run_id}/reject", status_code=ACCEPTED, response_model=run_models.Request)
def reject(
    caller: Approver,
    run: TheRun,
    here: Here,
    response: Response,
    body: run_models.Answer = NO_ANSWER,
    key: Key = "",
) -> dict[str, Any]:
    """Reject the challenger that the run waits with; it is not tried again."""
    return _told(_decided(here, caller, run, RequestKind.REJECT, body, key), response)


@router.get("/requests/{number}", response_model=run_models.Request, dependencies=[Depends(viewer)])
def request(number: NumberInPath, here: Here) -> dict[str, Any]:
    """What was asked for, and how it went."""
    with here.store.read() as tx:
        found = tx.request(number)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no request {number}")
    return _shown(found)


@router.post("/reload", status_code=ACCEPTED, response_model=run_models.Reload)
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


def _decided(
    here: Here, caller: Caller, run: TheRun, kind: RequestKind, body: run_models.Answer, key: str
) -> Request:
    """The request; the earlier one also when the run waits no more because of it."""
    sent = {"run": run.id, "reason": body.reason, "evidence": body.evidence}
    earlier = here.actions.earlier(run.policy, kind, caller.actor, sent, key)
    if earlier is not None:
        return earlier
    arguments = {"run": run.id, "reason": body.reason, **_bound(here, run, body.evidence)}
    return here.actions.ask(run.policy, kind, caller.actor, arguments, key, sent)


def _bound(here: Here, run: TheRun, evidence: str) -> dict[str, Any]:
    """What the answer is about: as the run stands, unless the caller has seen something else."""
    _, bound = here.actions.awaiting(run.id)
    if evidence and not bound["evidence"].startswith(evidence):
        bound["evidence"] = evidence
    return bound


def _told(request: Request, response: Response) -> dict[str, Any]:
    response.headers["Location"] = f"/v1/requests/{request.id}"
    return _shown(request)


def _shown(request: Request) -> dict[str, Any]:
    state = "open" if not request.answer else "refused" if request.answer.startswith("refused") else "done"
    fields = ("id", "policy", "kind", "actor", "created_at", "answer", "arguments")
    return {**{name: getattr(request, name) for name in fields}, "state": state}

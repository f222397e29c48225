"""What people do: each action has a page that says what will change, and a form on it that does it.

The form carries what was shown, so that it counts for nothing else, and words that only this caller's pages
know. What is done is on record as the caller's, and a daemon carries it out.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from ctrain.domain import Phase, PolicyName, RequestKind, RunId
from ctrain.errors import CtrainError, InputError, StateConflict, TransientError
from ctrain.web.auth import Caller, approver, operator
from ctrain.web.console.pages import Here, Reads, missing_is_404
from ctrain.web.console.rendering import is_own_form, page
from ctrain.web.problems import Refusal

router = APIRouter()
Operator = Annotated[Caller, Depends(operator)]
Approver = Annotated[Caller, Depends(approver)]
Reason = Annotated[str, Form(max_length=2000)]
Csrf = Annotated[str, Form(max_length=100)]
MOST_PARAMS = 50
CANCELLABLE = frozenset(Phase) - {one for one in Phase if one.ended} - {Phase.PROMOTING, Phase.ROLLING_BACK}
"""Phases in which a run can be cancelled; on probation that rolls it back."""


@router.get("/policies/{name}/{action}")
def policy_form(request: Request, caller: Operator, reads: Reads, name: str, action: str) -> Response:
    """What triggering, pausing, resuming or rolling back would change."""
    _check_action(action, ("trigger", "pause", "resume", "rollback"))
    return _policy_form(request, caller, reads, name, action)


@router.post("/policies/{name}/{action}")
def policy_action(
    request: Request,
    caller: Operator,
    here: Here,
    reads: Reads,
    name: str,
    action: str,
    csrf: Csrf = "",
    reason: Reason = "",
    params: Annotated[str, Form(max_length=10_000)] = "",
    champion: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Put it on record and go back to the policy."""
    _check_action(action, ("trigger", "pause", "resume", "rollback"))
    _check_form(request, caller, csrf)
    policy = PolicyName(name)
    try:
        if action in {"pause", "resume"}:
            here.actions.set_paused(policy, action == "pause", caller.actor)
            return RedirectResponse(f"/policies/{name}", HTTPStatus.SEE_OTHER)
        arguments: dict[str, Any] = {"reason": reason.strip()}
        if action == "trigger":
            arguments["params"] = parse_params(params)
        else:
            _check_champion(here, policy, champion)
            arguments["champion"] = champion or None
        asked = here.actions.ask(policy, RequestKind(action), caller.actor, arguments)
    except (InputError, StateConflict, TransientError) as error:
        return _policy_form(request, caller, reads, name, action, error)
    return RedirectResponse(f"/policies/{name}?asked={asked.id}", HTTPStatus.SEE_OTHER)


@router.get("/runs/{run_id}/cancel")
def cancel_form(request: Request, caller: Operator, reads: Reads, run_id: str) -> Response:
    """What cancelling would change."""
    return _run_form(request, caller, reads, run_id, "cancel", {})


@router.post("/runs/{run_id}/cancel")
def cancel(
    request: Request,
    caller: Operator,
    here: Here,
    reads: Reads,
    run_id: str,
    csrf: Csrf = "",
    reason: Reason = "",
) -> Response:
    """Put it on record and go back to the run."""
    _check_form(request, caller, csrf)
    return _ask_of_run(request, caller, here, reads, run_id, "cancel", {"reason": reason.strip()})


@router.get("/runs/{run_id}/approve")
def approve_form(request: Request, caller: Approver, here: Here, reads: Reads, run_id: str) -> Response:
    """What approving would change, and what it is bound to."""
    return _answer_form(request, caller, here, reads, run_id, "approve")


@router.get("/runs/{run_id}/reject")
def reject_form(request: Request, caller: Approver, here: Here, reads: Reads, run_id: str) -> Response:
    """What rejecting would change, and what it is bound to."""
    return _answer_form(request, caller, here, reads, run_id, "reject")


Bound = Annotated[str, Form(max_length=200)]


@router.post("/runs/{run_id}/approve")
def approve(
    request: Request,
    caller: Approver,
    here: Here,
    reads: Reads,
    run_id: str,
    csrf: Csrf = "",
    reason: Reason = "",
    challenger: Bound = "",
    policy_hash: Bound = "",
    evidence: Bound = "",
) -> Response:
    """Put the approval of what was shown on record."""
    _check_form(request, caller, csrf)
    bound = {"challenger": challenger, "policy_hash": policy_hash, "evidence": evidence}
    return _ask_of_run(request, caller, here, reads, run_id, "approve", {"reason": reason.strip(), **bound})


@router.post("/runs/{run_id}/reject")
def reject(
    request: Request,
    caller: Approver,
    here: Here,
    reads: Reads,
    run_id: str,
    csrf: Csrf = "",
    reason: Reason = "",
    challenger: Bound = "",
    policy_hash: Bound = "",
    evidence: Bound = "",
) -> Response:
    """Put the rejection of what was shown on record."""
    _check_form(request, caller, csrf)
    bound = {"challenger": challenger, "policy_hash": policy_hash, "evidence": evidence}
    return _ask_of_run(request, caller, here, reads, run_id, "reject", {"reason": reason.strip(), **bound})


def parse_params(text: str) -> dict[str, str]:
    r"""Parameters of a training from lines of KEY=VALUE; raises InputError for any other line.

    >>> parse_params("depth=6\n\nname = two words")
    {'depth': '6', 'name': 'two words'}
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_PARAMS:
        raise InputError(f"parameters: expected at most {MOST_PARAMS}")
    found = {}
    for line in lines:
        key, sign, value = line.partition("=")
        if not sign or not key.strip():
            raise InputError(f"parameters: expected a line of KEY=VALUE, got {line!r}")
        found[key.strip()] = value.strip()
    return found


def _policy_form(
    request: Request,
    caller: Caller,
    reads: Reads,
    name: str,
    action: str,
    wrong: CtrainError | None = None,
) -> Response:
    with missing_is_404():
        found = reads.policy(PolicyName(name))
    return page(
        request,
        "confirm_policy.html",
        caller,
        status=_status(wrong),
        found=found,
        now=found.why.now,
        daemons=(found.why.daemon,) if found.why.daemon else (),
        action=action,
        wrong=str(wrong) if wrong else "",
    )


def _answer_form(
    request: Request, caller: Caller, here: Here, reads: Reads, run_id: str, action: str
) -> Response:
    try:
        with missing_is_404():
            _, bound = here.actions.awaiting(RunId(run_id))
    except StateConflict as error:
        raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
    return _run_form(request, caller, reads, run_id, action, bound)


def _run_form(
    request: Request,
    caller: Caller,
    reads: Reads,
    run_id: str,
    action: str,
    bound: dict[str, Any],
    wrong: CtrainError | None = None,
) -> Response:
    with missing_is_404():
        found = reads.run(RunId(run_id))
    if action == "cancel" and found.detail.run.phase not in CANCELLABLE:
        raise Refusal(
            HTTPStatus.CONFLICT, f"run {run_id} is {found.detail.run.phase.value}: it cannot be cancelled"
        )
    return page(
        request,
        "confirm_run.html",
        caller,
        status=_status(wrong),
        found=found,
        now=found.now,
        daemons=(),
        action=action,
        bound=bound,
        wrong=str(wrong) if wrong else "",
    )


def _ask_of_run(
    request: Request,
    caller: Caller,
    here: Here,
    reads: Reads,
    run_id: str,
    action: str,
    arguments: dict[str, Any],
) -> Response:
    with missing_is_404():
        policy = PolicyName(reads.run(RunId(run_id)).detail.run.policy)
    try:
        asked = here.actions.ask(policy, RequestKind(action), caller.actor, {"run": run_id, **arguments})
    except (InputError, StateConflict, TransientError) as error:
        bound = {name: arguments[name] for name in arguments if name != "reason"}
        return _run_form(request, caller, reads, run_id, action, bound, error)
    return RedirectResponse(f"/runs/{run_id}?asked={asked.id}", HTTPStatus.SEE_OTHER)


def _check_action(action: str, known: tuple[str, ...]) -> None:
    if action not in known:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no action {action}; known: {', '.join(known)}")


def _check_form(request: Request, caller: Caller, csrf: str) -> None:
    if not is_own_form(request, caller, csrf):
        raise Refusal(
            HTTPStatus.FORBIDDEN, "the form is old or was not made for you: open it again and send it"
        )


def _check_champion(here: Here, policy: PolicyName, shown: str) -> None:
    """A rollback is of the champion that was shown, not of one that came meanwhile."""
    now = here.queries.status(policy).policies[0].champion
    if shown != (now.version if now else ""):
        stands = f"version {now.version}" if now else "gone"
        raise StateConflict(f"the champion is {stands} by now, not version {shown}; look again")


def _status(wrong: CtrainError | None) -> int:
    if wrong is None:
        return HTTPStatus.OK
    match wrong:
        case InputError():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case TransientError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.CONFLICT

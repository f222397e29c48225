"""What people do: each action has a page that says what will change, and a form on it that does it.

The form carries what was shown, so that it counts for nothing else, and words that only this caller's pages
know. What is done is on record as the caller's, and a daemon carries it out.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from ctrain.domain import PolicyName, RequestKind, RunId
from ctrain.errors import CtrainError, InputError, StateConflict, TransientError
from ctrain.lifecycle.approval import BOUND_TO
from ctrain.lifecycle.transitions import CANCELLABLE
from ctrain.web.api.fields import Words
from ctrain.web.auth import Caller, approver, operator
from ctrain.web.backend import Backend
from ctrain.web.console.pages import Here, Reads, missing_is_404
from ctrain.web.console.rendering import is_own_form, page
from ctrain.web.problems import Refusal

router = APIRouter()
Operator = Annotated[Caller, Depends(operator)]
Approver = Annotated[Caller, Depends(approver)]
MOST_PARAMS = 50
OF_POLICIES = ("trigger", "pause", "resume", "rollback")
ANSWERS = ("approve", "reject")


class Fields(BaseModel):
    """What a form sends: why, and what its page has shown."""

    csrf: str = Field("", max_length=100)
    reason: Words = ""
    params: str = Field("", max_length=10_000)
    champion: str = Field("", max_length=200)
    challenger: str = Field("", max_length=200)
    policy_hash: str = Field("", max_length=200)
    evidence: str = Field("", max_length=200)

    def of_policy(self, action: str) -> dict[str, Any]:
        """The arguments of what is asked of a policy; raises InputError for parameters that are none."""
        reason = {"reason": self.reason.strip()}
        if action == "trigger":
            return {**reason, "params": parse_params(self.params)}
        return {**reason, "champion": self.champion or None}

    def bound(self) -> dict[str, Any]:
        """What an answer is about."""
        return {name: getattr(self, name) for name in BOUND_TO}


Sent = Annotated[Fields, Form()]


class Desk:
    """Shows the pages of actions, and puts on record what their forms send."""

    def __init__(self, request: Request, here: Here, reads: Reads) -> None:
        self._request, self._here, self._reads = request, here, reads

    def show_policy(
        self, caller: Caller, name: str, action: str, wrong: CtrainError | None = None
    ) -> Response:
        """What an action would change of a policy."""
        _check_action(action, OF_POLICIES)
        with missing_is_404():
            found = self._reads.policy(PolicyName(name))
        daemons = (found.why.daemon,) if found.why.daemon else ()
        shown = {"found": found, "now": found.why.now, "daemons": daemons, "action": action}
        return self._page("confirm_policy.html", caller, wrong, shown)

    def show_run(
        self,
        caller: Caller,
        run_id: str,
        action: str,
        wrong: CtrainError | None = None,
        bound: dict[str, Any] | None = None,
    ) -> Response:
        """What an action would change of a run; an answer is bound to what it waits with, unless told."""
        if bound is None:
            bound = self._awaited(run_id) if action in ANSWERS else {}
        with missing_is_404():
            found = self._reads.run(RunId(run_id))
        phase = found.detail.run.phase
        if action == "cancel" and phase not in CANCELLABLE:
            raise Refusal(HTTPStatus.CONFLICT, f"run {run_id} is {phase.value}: it cannot be cancelled")
        shown = {"found": found, "now": found.now, "daemons": (), "action": action, "bound": bound}
        return self._page("confirm_run.html", caller, wrong, shown)

    def act_on_policy(self, caller: Caller, name: str, action: str, sent: Fields) -> Response:
        """Put it on record and go back to the policy."""
        _check_action(action, OF_POLICIES)
        self._check_form(caller, sent)
        policy, actions = PolicyName(name), self._here.actions
        try:
            if action in {"pause", "resume"}:
                actions.set_paused(policy, action == "pause", caller.actor)
                return RedirectResponse(f"/policies/{name}", HTTPStatus.SEE_OTHER)
            arguments = sent.of_policy(action)
            if action == "rollback":
                _check_champion(self._here, policy, sent.champion)
            asked = actions.ask(policy, RequestKind(action), caller.actor, arguments)
        except (InputError, StateConflict, TransientError) as error:
            return self.show_policy(caller, name, action, error)
        return RedirectResponse(f"/policies/{name}?asked={asked.id}", HTTPStatus.SEE_OTHER)

    def act_on_run(self, caller: Caller, run_id: str, action: str, sent: Fields) -> Response:
        """Put it on record and go back to the run."""
        self._check_form(caller, sent)
        bound = sent.bound() if action in ANSWERS else {}
        with missing_is_404():
            policy = PolicyName(self._reads.run(RunId(run_id)).detail.run.policy)
        arguments = {"run": run_id, "reason": sent.reason.strip(), **bound}
        try:
            asked = self._here.actions.ask(policy, RequestKind(action), caller.actor, arguments)
        except (InputError, StateConflict, TransientError) as error:
            return self.show_run(caller, run_id, action, error, bound)
        return RedirectResponse(f"/runs/{run_id}?asked={asked.id}", HTTPStatus.SEE_OTHER)

    def _awaited(self, run_id: str) -> dict[str, Any]:
        try:
            with missing_is_404():
                return self._here.actions.awaiting(RunId(run_id))[1]
        except StateConflict as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error)) from error

    def _page(
        self, template: str, caller: Caller, wrong: CtrainError | None, shown: dict[str, Any]
    ) -> Response:
        told = str(wrong) if wrong else ""
        return page(self._request, template, caller, status=_status(wrong), wrong=told, **shown)

    def _check_form(self, caller: Caller, sent: Fields) -> None:
        if not is_own_form(self._request, caller, sent.csrf):
            raise Refusal(
                HTTPStatus.FORBIDDEN, "the form is old or was not made for you: open it again and send it"
            )


TheDesk = Annotated[Desk, Depends()]


@router.get("/policies/{name}/{action}")
def policy_form(caller: Operator, desk: TheDesk, name: str, action: str) -> Response:
    """What triggering, pausing, resuming or rolling back would change."""
    return desk.show_policy(caller, name, action)


@router.post("/policies/{name}/{action}")
def policy_action(caller: Operator, desk: TheDesk, name: str, action: str, sent: Sent) -> Response:
    """Trigger, pause, resume or roll back."""
    return desk.act_on_policy(caller, name, action, sent)


@router.get("/runs/{run_id}/cancel")
def cancel_form(caller: Operator, desk: TheDesk, run_id: str) -> Response:
    """What cancelling would change."""
    return desk.show_run(caller, run_id, "cancel")


@router.post("/runs/{run_id}/cancel")
def cancel(caller: Operator, desk: TheDesk, run_id: str, sent: Sent) -> Response:
    """Cancel a run."""
    return desk.act_on_run(caller, run_id, "cancel", sent)


@router.get("/runs/{run_id}/{answer}")
def answer_form(caller: Approver, desk: TheDesk, run_id: str, answer: str) -> Response:
    """What approving or rejecting would change, and what it is bound to."""
    _check_action(answer, ANSWERS)
    return desk.show_run(caller, run_id, answer)


@router.post("/runs/{run_id}/{answer}")
def give_answer(caller: Approver, desk: TheDesk, run_id: str, answer: str, sent: Sent) -> Response:
    """Approve or reject what was shown."""
    _check_action(answer, ANSWERS)
    return desk.act_on_run(caller, run_id, answer, sent)


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


def _check_action(action: str, known: tuple[str, ...]) -> None:
    if action not in known:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no action {action}; known: {', '.join(known)}")


def _check_champion(here: Backend, policy: PolicyName, shown: str) -> None:
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

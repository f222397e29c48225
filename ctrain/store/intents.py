"""Plans of alias moves, one open at a time, and what people ask of a daemon."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from ctrain.domain import AliasIntent, PolicyName, Request, RequestKind
from ctrain.errors import StateConflict
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of
from ctrain.store.faults import duplicate_means
from ctrain.store.prepared import Prepared

_INTENTS = schema.alias_intents
_FIELDS = [column for column in _INTENTS.c if column.name != "number"]
_REQUESTS = schema.requests
_OPEN_INTENT = Prepared(
    select(*_FIELDS).where(_INTENTS.c.policy == bindparam("policy"), _INTENTS.c.outcome == "")
)
_OPEN_REQUESTS = Prepared(
    select(_REQUESTS)
    .where(_REQUESTS.c.policy == bindparam("policy"), _REQUESTS.c.answer == "")
    .order_by(_REQUESTS.c.id)
)


class IntentAccess(TableAccess):
    """Implements the alias intents of ``ports.PolicyTables``."""

    def record_intent(self, intent: AliasIntent) -> None:
        """Put the plan on record.

        Raises
        ------
        StateConflict
            when another plan of the policy is open, or the id is taken.
        """
        taken = f"{intent.policy}: alias move {intent.id} has to wait: another is open, or the id is taken"
        with duplicate_means(taken), self._attempt():
            self._insert(_INTENTS, values_of(intent))

    def open_intent(self, policy: PolicyName) -> AliasIntent | None:
        """The plan that was not carried out or given up, if any."""
        row = self._first(_OPEN_INTENT, policy=policy)
        return None if row is None else AliasIntent(**row)

    def close_intent(self, intent_id: str, outcome: str, token: int | None = None) -> None:
        """Record how the plan ended (``done``, ``superseded`` or ``reverted``), and under which token.

        Raises
        ------
        StateConflict
            when it is not open.
        """
        open_one = _INTENTS.update().where(_INTENTS.c.id == intent_id, _INTENTS.c.outcome == "")
        if self._changed(open_one.values(outcome=outcome, closing_token=token)) != 1:
            raise StateConflict(f"alias move {intent_id} is not open and cannot end as {outcome}")

    def intents(self, policy: PolicyName, limit: int = 50) -> list[AliasIntent]:
        """All plans of the policy, newest first."""
        query = select(*_FIELDS).where(_INTENTS.c.policy == policy)
        rows = self._all(query.order_by(_INTENTS.c.number.desc()).limit(limit))
        return [AliasIntent(**row) for row in rows]


class RequestAccess(TableAccess):
    """Implements the requests of ``ports.PolicyTables``."""

    def add_request(self, request: Request) -> int:
        """Keep the wish; return its number (the one in ``request`` is ignored)."""
        values: dict[str, Any] = values_of(request, leave_out={"id"})
        return self._insert(_REQUESTS, {**values, "kind": request.kind.value})

    def open_requests(self, policy: PolicyName) -> list[Request]:
        """Wishes without an answer, oldest first."""
        rows = self._all(_OPEN_REQUESTS, policy=policy)
        return [Request(**{**row, "kind": RequestKind(row["kind"])}) for row in rows]

    def request(self, request_id: int) -> Request | None:
        """The wish with its answer, or None when there is none of this number."""
        row = self._first(select(_REQUESTS).where(_REQUESTS.c.id == request_id))
        return None if row is None else Request(**{**row, "kind": RequestKind(row["kind"])})

    def answer_request(self, request_id: int, answer: str) -> None:
        """Answer the wish, once.

        Raises
        ------
        StateConflict
            when it does not exist or has its answer.
        """
        unanswered = _REQUESTS.update().where(_REQUESTS.c.id == request_id, _REQUESTS.c.answer == "")
        if self._changed(unanswered.values(answer=answer)) != 1:
            raise StateConflict(f"request {request_id} is not open")

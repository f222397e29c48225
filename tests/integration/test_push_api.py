"""Rows and labels over HTTP: what is answered 202 is read once, and every refusal says what to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from anyio import to_thread

from ctrain.clocks import RealTimer
from ctrain.domain.access import Role
from ctrain.settings import Settings
from ctrain.sources.push_body import ARROW, JSON, MOST_BYTES
from ctrain.web.api.intake import MOST_BATCHES, MOST_HELD_BYTES, Intake
from ctrain.web.application import create_application
from ctrain.web.backend import Backend
from ctrain.web.problems import Refusal
from ctrain.web.tokens import make_token
from tests.parquet_rows import build_rows
from tests.support.pushes import FLIGHTS, LABELS, NOW, ROWS, Door, body_of, pushed_data, row

ROWS_AT, LABELS_AT = "/v1/policies/flights/rows", "/v1/policies/flights/labels"


class Service:
    """A service that pushes to a server of its own, with a token for each role."""

    def __init__(self, folder: Path, **source: Any) -> None:
        self.door = Door(folder, pushed_data({"type": "push", **source}))
        self.tokens: dict[Role, str] = {}
        store = self.door.store
        store.tokens = {}
        for role in Role:
            words, token = make_token(f"as-{role}", role, "ann", RealTimer().now())
            store.tokens[token.id] = token
            self.tokens[role] = words
        store.token = store.tokens.get
        store.note_token_use = lambda _id, _now: None
        nothing: Any = SimpleNamespace()
        clock = SimpleNamespace(now=lambda: NOW)
        settings = Settings.load(folder, {})
        backend = Backend(settings, store, nothing, clock, RealTimer(), nothing, spool=self.door.spool)
        self.app = create_application(backend)

    def post(self, path: str, key: str | None = "b1", role: Role | None = Role.WRITER, **sent: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        headers |= sent.pop("headers", {})
        if key is not None:
            headers["Idempotency-Key"] = key
        return asyncio.run(self._post(path, headers, sent))

    async def _post(self, path: str, headers: dict[str, str], sent: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, headers=headers, **sent)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_a_batch_is_answered_for_and_read_once(service: Service) -> None:
    first = service.post(ROWS_AT, json=[row("a"), row("b")])
    again = service.post(ROWS_AT, json=[row("a"), row("b")])
    assert (first.status_code, first.json()) == (
        202,
        {"batch_id": "b1", "rows": 2, "repeated": False, "warnings": []},
    )
    assert (again.status_code, again.json()["repeated"]) == (202, True)
    label = service.post(
        LABELS_AT, json={"batch_id": "l1", "labels": [{"flight_id": "a", "delayed": 1}]}, key=None
    )
    assert label.json()["batch_id"] == "l1"
    assert [one["flight_id"] for one in service.door.read()] == ["a", "b"]
    assert service.door.read(kind=LABELS) == [{"flight_id": "a", "delayed": 1}]


def test_lines_and_arrow_are_taken_too(service: Service) -> None:
    table = build_rows(["1", "2"])
    for number, media in enumerate(("application/x-ndjson", ARROW)):
        at = f"{ROWS_AT}?batch_id=q{number}"
        found = service.post(at, None, content=body_of(table, media), headers={"Content-Type": media})
        assert (found.status_code, found.json()["batch_id"], found.json()["rows"]) == (202, f"q{number}", 2)


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.WRITER, 202), (Role.OPERATOR, 202), (Role.APPROVER, 202), (Role.VIEWER, 403), (None, 403)],
)
def test_who_may_push(service: Service, role: Role | None, status: int) -> None:
    """Nobody without a token, also from this machine."""
    found = service.post(ROWS_AT, role=role, json=row())
    assert found.status_code == status
    assert (len(service.door.files()) == 1) == (status == 202)


def test_a_row_that_cannot_be_used_is_named(service: Service) -> None:
    found = service.post(ROWS_AT, json=[row("a"), row("b", distance="far")])
    assert (found.status_code, found.headers["content-type"]) == (422, "application/problem+json")
    told = "row 1: column 'distance' holds 'far', expected a number"
    assert found.json()["detail"] == told
    assert found.json()["errors"] == [{"place": "rows.1.distance", "message": told}]
    assert service.door.files() == []


@pytest.mark.parametrize(
    ("path", "key", "sent", "status", "told"),
    [
        ("/v1/policies/others/rows", "b", {"json": row()}, 404, "there is no policy others here"),
        ("/v1/policies/..%2Fflights/rows", "b", {"json": row()}, 404, ""),
        ("/v1/policies/%00/rows", "b", {"json": row()}, 404, "is no name of a policy"),
        (ROWS_AT, None, {"json": row()}, 400, "the batch has no id"),
        (f"{ROWS_AT}?batch_id=x", "y", {"json": row()}, 400, "differ"),
        (ROWS_AT, "b", {"content": b"{", "headers": {"Content-Type": JSON}}, 400, "the body is not JSON"),
        (ROWS_AT, "b", {"content": b"{}"}, 415, "got no type"),
        (ROWS_AT, "b", {"json": row(), "headers": {"Content-Encoding": "gzip"}}, 415, "send it as it is"),
        (ROWS_AT, "b", {"content": b" " * (MOST_BYTES + 1)}, 413, "send several"),
    ],
)
def test_what_is_no_batch_is_refused(
    service: Service, path: str, key: str | None, sent: dict[str, Any], status: int, told: str
) -> None:
    found = service.post(path, key, **sent)
    assert (found.status_code, told in found.json()["detail"]) == (status, True), found.json()
    assert service.door.files() == []


def test_another_batch_under_the_same_id_is_refused(service: Service) -> None:
    service.post(ROWS_AT, json=row("a"))
    found = service.post(ROWS_AT, json=row("b"))
    assert (found.status_code, "under the id 'b1'" in found.json()["detail"]) == (409, True)


def test_a_policy_that_reads_files_says_so(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.door.places.open(replace(service.door.contract, data=_files()))
    found = service.post(ROWS_AT, json=row())
    assert found.status_code == 409
    assert found.json()["detail"].startswith("the policy flights takes no rows over HTTP: its data.source")


def _files() -> Any:
    return pushed_data({"type": "files", "path": "rows"})


def test_senders_are_told_when_to_come_again(tmp_path: Path) -> None:
    service = Service(tmp_path, max_unread=1)
    assert service.post(ROWS_AT, json=row("a")).status_code == 202
    found = service.post(ROWS_AT, "b2", json=row("b"))
    assert (found.status_code, found.headers["retry-after"]) == (429, "10")
    assert "wait to be read" in found.json()["detail"]


def test_a_disk_that_fails_is_not_told_as_the_database(service: Service) -> None:
    service.door.places.folder(FLIGHTS, ROWS).parent.joinpath("contract.json").write_text("{")
    found = service.post(ROWS_AT, json=row())
    assert (found.status_code, found.headers["retry-after"]) == (503, "10")
    assert "what the policy takes cannot be read" in found.json()["detail"]


def test_pushes_that_wait_keep_neither_probes_nor_other_senders_waiting(service: Service) -> None:
    judge = threading.Event()

    def take(*_: Any) -> Any:
        assert judge.wait(30)
        return SimpleNamespace(batch_id="x", rows=1, repeated=False, warnings=())

    backend = service.app.state.backend
    spool = SimpleNamespace(take=take)
    service.app = create_application(replace(backend, spool=spool))

    async def story() -> list[Any]:
        headers = {"Authorization": f"Bearer {service.tokens[Role.WRITER]}"}
        transport = httpx.ASGITransport(service.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            pushes = [
                asyncio.create_task(client.post(ROWS_AT, headers=headers, json=row()))
                for _ in range(MOST_BATCHES + 1)
            ]
            done, under_way = await asyncio.wait(pushes, return_when=asyncio.FIRST_COMPLETED)
            limiter = to_thread.current_default_thread_limiter()
            probe = await client.get("/-/alive")
            found = [probe.status_code, limiter.borrowed_tokens, [one.result().status_code for one in done]]
            judge.set()
            told = [(await one).status_code for one in under_way]
            return [*found, done.pop().result().headers["retry-after"], set(told), len(told)]

    assert asyncio.run(story()) == [200, 0, [429], "2", {202}, MOST_BATCHES]


def test_bodies_that_are_read_at_the_same_time_have_a_bound() -> None:
    intake = Intake()
    with ExitStack() as places:
        for _ in range(MOST_HELD_BYTES // MOST_BYTES):
            places.enter_context(intake.place(None))
        with pytest.raises(Refusal, match="send this one again"), intake.place(1):
            pass
    with intake.place(10**12), intake.place(1):
        pass


def test_a_body_that_has_no_place_is_not_read(service: Service) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"{}"

    with ExitStack() as places:
        for _ in range(MOST_BATCHES):
            places.enter_context(service.app.state.intake.place(1))
        found = service.post(ROWS_AT, content=body(), headers={"Content-Type": JSON})
    assert (found.status_code, read) == (429, [])


def test_the_description_names_every_kind_of_body(service: Service) -> None:
    operation = service.app.openapi()["paths"]["/v1/policies/{name}/rows"]["post"]
    assert set(operation["requestBody"]["content"]) == {JSON, "application/x-ndjson", ARROW}
    assert {"202", "409", "422", "429", "507"} <= set(operation["responses"])

"""Schemathesis asks whatever the OpenAPI document allows, and what it does not: answers are as it says."""

from __future__ import annotations

import os
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from ctrain.domain.access import Role
from ctrain.web.rules import Rules
from tests.support.web import Web, tell_story

EXAMPLES = int(os.environ.get("CTRAIN_EXAMPLES", "2"))


def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    web = Web(tmp_path, Rules(loopback=False)).with_daemon()
    tell_story(web.store)
    shown = {"Authorization": f"Bearer {web.words[Role.APPROVER]}"}
    document = schemathesis.openapi.from_asgi("/v1/openapi.json", web.app, headers=shown)
    asked = set()
    for found in document.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in GenerationMode:

            @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
            @given(case=operation.as_strategy(generation_mode=mode))
            def answered(case: Case) -> None:
                case.call_and_validate(headers=shown)

            answered()
        asked.add(operation.label)
    assert len(asked) > 20

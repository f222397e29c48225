"""The child knows an answer for every role that a job may have."""

from __future__ import annotations

import importlib
from typing import get_args, get_type_hints

from ctrain.analysis.__main__ import ROLES
from ctrain.domain import AnalysisJob


def test_every_role_has_a_function_that_answers_it() -> None:
    assert set(ROLES) == set(get_args(get_type_hints(AnalysisJob)["role"]))
    for place in ROLES.values():
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name))

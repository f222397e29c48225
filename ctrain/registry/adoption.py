"""What was found out about a registered model that ctrain did not train."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ctrain.domain import Task, Version
from ctrain.errors import TransientError

TRUTH = frozenset({"0", "1", "false", "true"})
"""How the labels of a binary task may be written, and with them the classes of its models."""
KINDS: Mapping[str, frozenset[str]] = {
    "numeric": frozenset({"float", "double", "integer", "long"}),
    "categorical": frozenset({"string"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"datetime"}),
}
"""MLflow's types of each kind of feature."""
ALWAYS_TOLD = ("numeric", "categorical")


@dataclass(frozen=True, slots=True)
class SignatureColumn:
    name: str
    type: str
    """MLflow's name: double, long, string..."""
    required: bool


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """A version as it can be taken over, or why not (``problem``)."""

    model: str
    version: Version
    digest: str
    flavour: Literal["sklearn", "pyfunc", ""]
    loader: str
    python_version: str
    columns: tuple[SignatureColumn, ...]
    output_kind: Literal["probability", "class", "value", ""]
    outputs: int
    classes: tuple[str, ...]
    loads: bool
    predicts: bool
    problem: str
    python: str = ""
    """The interpreter that loaded it; empty: this one."""

    @property
    def features(self) -> dict[str, tuple[str, ...]]:
        """Columns for ``data.features`` by kind; booleans and dates only where there are any."""
        found = {
            kind: tuple(one.name for one in self.columns if one.type in types)
            for kind, types in KINDS.items()
        }
        return {kind: names for kind, names in found.items() if names or kind in ALWAYS_TOLD}

    @property
    def likely_task(self) -> Task | None:
        """What the kind of output suggests; None when it says nothing.

        Two classes of other names than 0 and 1 are those of labels that are no 0 and 1 either.
        """
        if self.classes and not TRUTH.issuperset(self.classes):
            return Task.MULTICLASS
        classes = len(self.classes) or (self.outputs if self.output_kind == "probability" else 0)
        if classes > 2:
            return Task.MULTICLASS
        if classes or self.output_kind == "probability":
            return Task.BINARY
        return Task.REGRESSION if self.output_kind == "value" and self.outputs == 1 else None


def parse_adoption(model: str, version: Version, code: int, answer: str, words: str) -> AdoptionReport:
    """The report from a child's answer.

    Raises
    ------
    TransientError
        when the child died without one; its last words are in the message.
    """
    if code != 0 or not answer.strip():
        last = words[-1000:].strip() or "it said nothing"
        raise TransientError(f"examining version {version} of {model} ended with {code}: {last}")
    found: Mapping[str, Any] = json.loads(answer.strip().splitlines()[-1])
    return AdoptionReport(
        model=model,
        version=version,
        digest=found.get("digest", ""),
        flavour=found.get("flavour", ""),
        loader=found.get("loader", ""),
        python_version=found.get("python_version", ""),
        columns=tuple(SignatureColumn(*one) for one in found.get("columns", ())),
        output_kind=found.get("output_kind", ""),
        outputs=int(found.get("outputs", 0)),
        classes=tuple(found.get("classes", ())),
        loads=bool(found.get("loads")),
        predicts=bool(found.get("predicts")),
        problem=found.get("message", ""),
    )

"""Fields that the models of the API share."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
MOST_NUMBER = 2**63 - 1


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _printable(text: str) -> str:
    """Text that every database and terminal takes: of control characters line breaks alone."""
    if not all(one.isprintable() or one in "\n\t" for one in text):
        raise ValueError("expected text without control characters")
    return text


Number = Annotated[float | None, BeforeValidator(_finite)]
"""None where there is no such number; JSON has no other way to say so."""
Seconds = Annotated[float | None, BeforeValidator(_seconds)]
Words = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_printable)]
Short = Annotated[str, StringConstraints(max_length=200), AfterValidator(_printable)]
NameInPath = Annotated[str, Path(pattern=NAME, max_length=63)]
RunInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
NumberInPath = Annotated[int, Path(ge=1, le=MOST_NUMBER)]


class Model(BaseModel):
    """An answer: made from what a query returns."""

    model_config = ConfigDict(from_attributes=True)


class Asked(BaseModel):
    """A body: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid")


class Page(Model):
    next: str | None = Field(default=None, description="Address of the next page; null on the last.")

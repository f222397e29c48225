"""Grafana's dashboard model as far as ctrain uses it, as strict types: a misspelt key or word is an error."""
# ruff: noqa: N815 - the names are Grafana's

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tests.support.grafana.fields import Count, Nothing, Source, Strict, Text
from tests.support.grafana.kinds import Panel


class AnnotationTarget(Strict):
    datasource: Source
    expr: Text
    instant: Literal[False]
    interval: Annotated[str, Field(pattern="^[0-9]+s$")]
    range: Literal[True]
    refId: Text


class Annotation(Strict):
    datasource: Source
    enable: bool
    hide: bool
    iconColor: Text
    name: Text
    tagKeys: Text
    target: AnnotationTarget
    textFormat: str
    titleFormat: Text
    useValueForTime: bool


class Annotations(Strict):
    list: list[Annotation]


class AnyVariable(Strict):
    hide: Literal[0, 1, 2]
    includeAll: bool
    label: Text
    multi: bool
    name: Annotated[str, Field(pattern="^[a-z]+$")]
    options: Annotated[list[Nothing], Field(max_length=0)]
    refresh: Literal[0, 1, 2]
    regex: str


class SourceVariable(AnyVariable):
    type: Literal["datasource"]
    query: Literal["prometheus"]


class LabelQuery(Strict):
    query: Annotated[str, Field(pattern=r"^label_values\(.+\)$")]
    refId: Text


class LabelVariable(AnyVariable):
    type: Literal["query"]
    datasource: Source
    definition: Text
    query: LabelQuery
    sort: Annotated[int, Field(ge=0, le=8)]
    allValue: Text | None = None


class Variables(Strict):
    list: list[Annotated[SourceVariable | LabelVariable, Field(discriminator="type")]]


class DashboardLink(Strict):
    asDropdown: bool
    icon: Text
    includeVars: bool
    keepTime: bool
    tags: list[Text]
    targetBlank: bool
    title: str
    tooltip: str
    type: Literal["dashboards"]
    url: str


class Times(Strict):
    start: Annotated[str, Field(alias="from", pattern="^now-[0-9]+[hd]$")]
    to: Literal["now"]


class Dashboard(Strict):
    """A whole dashboard; without ``id``, which a server gives."""

    annotations: Annotations
    description: Text
    editable: bool
    fiscalYearStartMonth: Literal[0]
    graphTooltip: Literal[0, 1, 2]
    links: list[DashboardLink]
    panels: list[Panel]
    refresh: Annotated[str, Field(pattern="^[0-9]+s$")]
    schemaVersion: Annotated[int, Field(ge=39)]
    tags: list[Text]
    templating: Variables
    time: Times
    timepicker: Nothing
    timezone: Literal["browser"]
    title: Text
    uid: Annotated[str, Field(pattern="^[a-z][a-z-]{3,39}$")]
    version: Count

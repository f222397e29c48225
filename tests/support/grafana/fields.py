"""What fields and panels of a Grafana dashboard have in common, as strict types; nothing else is allowed.

A strict copy of names and words of ``@grafana/schema`` 13.2.3 (``veneer/dashboard.types`` and the
``panelcfg`` of each kind of panel), which Grafana of the same number is built of; those of targets and
annotations belong to Grafana's Prometheus data source.
"""
# ruff: noqa: N815 - the names are Grafana's

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[int, Field(ge=0, le=100)]
Visible = Literal["auto", "always", "never"]
Orientation = Literal["auto", "horizontal", "vertical"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Source(Strict):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class GridPos(Strict):
    h: Annotated[int, Field(ge=1)]
    w: Annotated[int, Field(ge=1, le=24)]
    x: Annotated[int, Field(ge=0, lt=24)]
    y: Count


class Target(Strict):
    datasource: Source
    editorMode: Literal["code"]
    expr: Text
    format: Literal["time_series", "table", "heatmap"]
    instant: bool
    range: bool
    legendFormat: Text
    refId: Annotated[str, Field(pattern="^[A-Z]$")]


class Colour(Strict):
    mode: Literal["thresholds", "palette-classic", "palette-classic-by-name", "fixed", "continuous-BlYlRd"]
    fixedColor: Text | None = None


class Step(Strict):
    color: Text
    value: float | None


class Thresholds(Strict):
    mode: Literal["absolute"]
    steps: Annotated[list[Step], Field(min_length=1)]


class Word(Strict):
    color: Text
    index: Count
    text: str


class Mapping(Strict):
    type: Literal["value"]
    options: Annotated[dict[str, Word], Field(min_length=1)]


class Link(Strict):
    title: Text
    url: Annotated[str, Field(pattern="^/d/ctrain-")]


class Cell(Strict):
    type: Literal["auto", "color-text", "color-background"]
    mode: Literal["basic", "gradient"] | None = None


class Dash(Strict):
    dash: list[float]
    fill: Literal["solid", "dash", "dot"]


class ColourProperty(Strict):
    id: Literal["color"]
    value: Colour


class ThresholdsProperty(Strict):
    id: Literal["thresholds"]
    value: Thresholds


class MappingsProperty(Strict):
    id: Literal["mappings"]
    value: list[Mapping]


class LinksProperty(Strict):
    id: Literal["links"]
    value: list[Link]


class CellProperty(Strict):
    id: Literal["custom.cellOptions"]
    value: Cell


class DashProperty(Strict):
    id: Literal["custom.lineStyle"]
    value: Dash


class TextProperty(Strict):
    id: Literal["unit", "custom.fillBelowTo"]
    value: Text


class NumberProperty(Strict):
    id: Literal["decimals", "custom.lineWidth", "custom.width"]
    value: Count


Property = Annotated[
    ColourProperty
    | ThresholdsProperty
    | MappingsProperty
    | LinksProperty
    | CellProperty
    | DashProperty
    | TextProperty
    | NumberProperty,
    Field(discriminator="id"),
]


class ByName(Strict):
    id: Literal["byName"]
    options: Text


class Override(Strict):
    matcher: ByName
    properties: Annotated[list[Property], Field(min_length=1)]


class FieldDefaults(Strict):
    color: Colour
    mappings: list[Mapping]
    thresholds: Thresholds
    unit: Text
    decimals: Count | None = None
    min: float | None = None
    max: float | None = None


class FieldConfig(Strict):
    defaults: FieldDefaults
    overrides: list[Override]


class Nothing(Strict):
    pass


class Merge(Strict):
    id: Literal["merge"]
    options: Nothing


class Organized(Strict):
    excludeByName: dict[str, bool]
    includeByName: dict[str, bool]
    indexByName: dict[str, int]
    renameByName: dict[str, Text]


class Organize(Strict):
    id: Literal["organize"]
    options: Organized


class AnyPanel(Strict):
    datasource: Source
    description: Annotated[str, Field(min_length=20)]
    gridPos: GridPos
    id: Count
    targets: Annotated[list[Target], Field(min_length=1)]
    maxDataPoints: Annotated[int, Field(ge=10)] | None = None
    title: Text
    transformations: list[Annotated[Merge | Organize, Field(discriminator="id")]]


class Legend(Strict):
    calcs: list[Literal["lastNotNull", "max", "mean", "min"]]
    displayMode: Literal["list", "table"]
    placement: Literal["bottom", "right"]
    showLegend: bool


class Tooltip(Strict):
    hideZeros: bool
    mode: Literal["single", "multi", "none"]
    sort: Literal["none", "asc", "desc"]


class Reduce(Strict):
    calcs: list[Literal["lastNotNull"]]
    fields: str
    values: bool

"""Every kind of panel that ctrain's dashboards use, as strict types."""
# ruff: noqa: N815 - the names are Grafana's

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tests.support.grafana.fields import (
    AnyPanel,
    Cell,
    Count,
    FieldConfig,
    FieldDefaults,
    GridPos,
    Legend,
    Nothing,
    Orientation,
    Override,
    Reduce,
    Share,
    Strict,
    Text,
    Tooltip,
    Visible,
)


class StatOptions(Strict):
    colorMode: Literal["background", "background_solid", "none", "value"]
    graphMode: Literal["area", "none"]
    justifyMode: Literal["auto", "center"]
    orientation: Orientation
    percentChangeColorMode: Literal["standard", "inverted", "same_as_value"]
    reduceOptions: Reduce
    showPercentChange: bool
    textMode: Literal["auto", "name", "none", "value", "value_and_name"]
    wideLayout: bool


class Stat(AnyPanel):
    type: Literal["stat"]
    fieldConfig: FieldConfig
    options: StatOptions


class BarGaugeOptions(Strict):
    displayMode: Literal["basic", "gradient", "lcd"]
    legend: Legend
    maxVizHeight: Count
    minVizHeight: Count
    minVizWidth: Count
    namePlacement: Literal["auto", "hidden", "left", "top"]
    orientation: Orientation
    reduceOptions: Reduce
    showUnfilled: bool
    sizing: Literal["auto", "manual"]
    valueMode: Literal["color", "hidden", "text"]


class BarGauge(AnyPanel):
    type: Literal["bargauge"]
    fieldConfig: FieldConfig
    options: BarGaugeOptions


class Stacking(Strict):
    group: Text
    mode: Literal["none", "normal", "percent"]


class ThresholdsStyle(Strict):
    mode: Literal["off", "line", "dashed", "area", "line+area", "dashed+area", "series"]


class LineStyle(Strict):
    axisPlacement: Literal["auto", "left", "right", "hidden"]
    drawStyle: Literal["line", "bars", "points"]
    fillOpacity: Share
    lineInterpolation: Literal["linear", "smooth", "stepBefore", "stepAfter"]
    lineWidth: Count
    pointSize: Count
    showPoints: Visible
    spanNulls: bool
    stacking: Stacking
    thresholdsStyle: ThresholdsStyle


class LineDefaults(FieldDefaults):
    custom: LineStyle


class LineFields(Strict):
    defaults: LineDefaults
    overrides: list[Override]


class LineOptions(Strict):
    legend: Legend
    tooltip: Tooltip


class TimeSeries(AnyPanel):
    type: Literal["timeseries"]
    fieldConfig: LineFields
    options: LineOptions


class StateStyle(Strict):
    fillOpacity: Share
    lineWidth: Count


class StateDefaults(FieldDefaults):
    custom: StateStyle


class TimelineStyle(StateStyle):
    spanNulls: bool


class TimelineDefaults(FieldDefaults):
    custom: TimelineStyle


class StateFields(Strict):
    defaults: StateDefaults
    overrides: list[Override]


class TimelineFields(Strict):
    defaults: TimelineDefaults
    overrides: list[Override]


class StateOptions(Strict):
    legend: Legend
    rowHeight: Annotated[float, Field(gt=0, le=1)]
    showValue: Visible
    tooltip: Tooltip


class TimelineOptions(StateOptions):
    alignValue: Literal["left", "center", "right"]
    mergeValues: bool


class HistoryOptions(StateOptions):
    colWidth: Annotated[float, Field(gt=0, le=1)]


class StateTimeline(AnyPanel):
    type: Literal["state-timeline"]
    fieldConfig: TimelineFields
    options: TimelineOptions


class StatusHistory(AnyPanel):
    type: Literal["status-history"]
    fieldConfig: StateFields
    options: HistoryOptions


class CellStyle(Strict):
    align: Literal["auto", "left", "center", "right"]
    cellOptions: Cell
    inspect: bool


class CellDefaults(FieldDefaults):
    custom: CellStyle


class CellFields(Strict):
    defaults: CellDefaults
    overrides: list[Override]


class SortBy(Strict):
    desc: bool
    displayName: Text


class TableOptions(Strict):
    cellHeight: Literal["sm", "md", "lg"]
    frameIndex: Count
    showHeader: bool
    sortBy: list[SortBy]


class Table(AnyPanel):
    type: Literal["table"]
    fieldConfig: CellFields
    options: TableOptions


class HeatColour(Strict):
    exponent: float
    fill: Text
    mode: Literal["opacity", "scheme"]
    reverse: bool
    scale: Literal["exponential", "linear"]
    scheme: Text
    steps: Annotated[int, Field(ge=2, le=128)]


class Exemplars(Strict):
    color: Text


class AtMost(Strict):
    le: float


class Shown(Strict):
    show: bool


class RowsFrame(Strict):
    layout: Literal["auto", "ge", "le", "unknown"]


class HeatTooltip(Strict):
    mode: Literal["single", "multi", "none"]
    showColorScale: bool
    yHistogram: bool


class Axis(Strict):
    axisPlacement: Literal["left", "right", "hidden"]
    reverse: bool
    unit: Text


class HeatOptions(Strict):
    calculate: bool
    cellGap: Count
    color: HeatColour
    exemplars: Exemplars
    filterValues: AtMost
    legend: Shown
    rowsFrame: RowsFrame
    showValue: Visible
    tooltip: HeatTooltip
    yAxis: Axis


class Heatmap(AnyPanel):
    type: Literal["heatmap"]
    fieldConfig: FieldConfig
    options: HeatOptions


class Row(Strict):
    collapsed: Literal[False]
    gridPos: GridPos
    id: Count
    panels: Annotated[list[Nothing], Field(max_length=0)]
    title: Text
    type: Literal["row"]


Panel = Annotated[
    Stat | BarGauge | TimeSeries | StateTimeline | StatusHistory | Table | Heatmap | Row,
    Field(discriminator="type"),
]

"""Numbers and states in the words and colours that a panel gives them, as Grafana would."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
INK = "#d8d9da"
COLOURS = {
    "text": INK,
    "green": "#73bf69",
    "light-green": "#96d98d",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "light-red": "#ff7383",
    "dark-red": "#c4162a",
    "blue": "#5794f2",
    "light-blue": "#8ab8ff",
    "dark-blue": "#1f60c4",
    "purple": "#b877d9",
}
CLASSIC = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0")


def legend_of(target: Json, labels: Json) -> str:
    legend = str(target["legendFormat"])
    if legend == "__auto":
        return ", ".join(f"{name}={value}" for name, value in labels.items()) or "value"
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


def points_of(values: list[list[Any]]) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in values if value != "NaN"]


def colour_of(name: str) -> Any:
    if name.startswith("rgba"):
        *rgb, alpha = (float(one) for one in name[5:-1].split(","))
        return (*(one / 255 for one in rgb), alpha)
    return COLOURS.get(name, name)


def step_colour(defaults: Json, value: float) -> Any:
    steps = [one for one in defaults["thresholds"]["steps"] if one["value"] is None or value >= one["value"]]
    return colour_of(steps[-1]["color"])


def word_of(defaults: Json, value: float) -> tuple[str, Any]:
    """What a field shows of a number, and in which colour."""
    for mapping in defaults.get("mappings", []):
        word = mapping["options"].get(f"{value:g}")
        if word:
            return word["text"], colour_of(word["color"])
    return written(value, defaults["unit"], defaults.get("decimals")), step_colour(defaults, value)


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """A number as Grafana writes it, roughly."""
    if unit == "s":
        for size, name in ((86400, "days"), (3600, "hours"), (60, "mins")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} s" if abs(value) >= 1 else f"{1000 * value:.3g} ms"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}"


def cell_of(defaults: Json, value: float | str) -> tuple[str, Any]:
    if isinstance(value, float):
        return word_of(defaults, value)
    words = {
        word: one["text"] for mapping in defaults["mappings"] for word, one in mapping["options"].items()
    }
    return words.get(value, value), INK

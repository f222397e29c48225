"""The page of a backtest for people: one file that needs no other and loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ctrain.backtest.result import Backtest, Happening, Outcome

MOST_BINS = 120
"""Columns of the heat map."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.policy { font-weight: bold; }
.wide { overflow-x: auto; }
figure { margin: 1rem 0; }
img { max-width: 100%; }
figcaption { font-size: .85rem; color: #555; }
"""
TITLES = {
    "metric.svg": (
        "The metric over time",
        "Each row is scored by the model in force when it happened. Marks are promotions, rollbacks and "
        "rejected challengers of the policy.",
    ),
    "frontier.svg": (
        "Cost against quality",
        "Lower left is better. The line joins the strategies that no other beats in both.",
    ),
    "drift.svg": (
        "Drift of the features",
        "The effect that monitors saw over its threshold; from 1 on it is drift, unless it may be chance.",
    ),
}
WORDS = {
    "never": "never: the first model serves to the end",
    "periodic": "periodic: as many retrainings as the policy, evenly spread",
    "always": "always: a retraining after every part of the time",
    "adwin": "adwin: one change detector on the loss",
}


def picture_request(found: Backtest) -> dict[str, Any]:
    """What the pictures are drawn from."""
    strategies: Mapping[str, Outcome] = {"policy": found.policy, **found.baselines}
    return {
        "metric_name": found.metric_name,
        "series": {
            name: [(point["to"], point["metric"]) for point in one.to_json()["series"]]
            for name, one in strategies.items()
        },
        "events": [(event.at.isoformat(), event.kind) for event in found.events],
        "costs": {name: (one.train_seconds, one.metric) for name, one in strategies.items()},
        "drift": _binned(found),
    }


def _binned(found: Backtest) -> dict[str, Any]:
    """The largest ratio of each feature in equal parts of the time; None where nobody looked."""
    looks = [(look.as_of, name, look.ratio) for name, all_of in found.drift.items() for look in all_of]
    if not looks:
        return {"times": [], "features": [], "ratios": []}
    features = sorted(found.drift)
    first, last = min(at for at, _, _ in looks), max(at for at, _, _ in looks)
    bins = min(MOST_BINS, len({at for at, _, _ in looks}))
    length = max((last - first).total_seconds(), 1.0)
    ratios = np.full((len(features), bins), np.nan)
    for at, name, ratio in looks:
        place = min(int((at - first).total_seconds() / length * bins), bins - 1)
        row = features.index(name)
        ratios[row, place] = np.fmax(ratios[row, place], ratio)
    return {
        "times": [first.isoformat(), last.isoformat()],
        "features": features,
        "ratios": [[None if np.isnan(one) else float(one) for one in row] for row in ratios],
    }


def make_page(found: Backtest, pictures: Mapping[str, bytes]) -> str:
    """The page; ``pictures`` are SVG files by their names."""
    title = f"Backtest of {found.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_summary(found))}</p>",
        _table(found),
        *(f"<p>{escape(line)}</p>" for line in _regret(found)),
        _suppressed(found),
        *(f"<p>Note: {escape(note)}.</p>" for note in found.notes),
        *(_figure(name, pictures[name]) for name in TITLES if name in pictures),
        "<h2>What happened</h2>",
        _events(found.events),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _summary(found: Backtest) -> str:
    policy, never = found.policy, found.baselines.get("never")
    text = (
        f"From {_day(found.judged_from)} to {_day(found.judged_until)} the policy retrained "
        f"{policy.retrains} times, promoted {policy.promotions} models and rolled back {policy.rollbacks}. "
        f"Over {policy.rows} rows its mean {found.metric_name} was {policy.metric:.4f}"
    )
    return f"{text}; without any retraining it would have been {never.metric:.4f}." if never else f"{text}."


def _table(found: Backtest) -> str:
    heads = [
        "strategy", found.metric_name, "retrains", "promotions", "rollbacks", "training seconds",
        "rows trained",
    ]  # fmt: skip
    rows = [_row("the policy", found.policy, ' class="policy"')]
    rows += [_row(WORDS.get(name, name), one, "") for name, one in found.baselines.items()]
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return _wide(f"<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>")


def _wide(table: str) -> str:
    """On a narrow screen the table moves sideways, and the page does not."""
    return f'<div class="wide">{table}</div>'


def _row(name: str, one: Outcome, attribute: str) -> str:
    numbers = [
        f"{one.metric:.4f}", str(one.retrains), str(one.promotions), str(one.rollbacks),
        f"{one.train_seconds:.2f}", str(one.rows_trained),
    ]  # fmt: skip
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    return f"<tr{attribute}><td>{escape(name)}</td>{cells}</tr>\n"


def _regret(found: Backtest) -> list[str]:
    regret = found.regret
    if regret is None:
        return []
    return [
        f"Regret against always: {regret.per_row:+.4f} a row, {regret.total:+.1f} over all "
        f"{found.policy.rows} rows; above zero the policy was worse than retraining after every part."
    ]


def _suppressed(found: Backtest) -> str:
    """How often a trigger of the policy was met and no run began, by reason."""
    counts = sorted(found.policy.suppressed.items(), key=lambda one: (-one[1], one[0]))
    if not counts:
        return "<p>No trigger was suppressed.</p>"
    rows = "".join(
        f'<tr><td>{escape(reason.replace("_", " "))}</td><td class="number">{count}</td></tr>\n'
        for reason, count in counts
    )
    head = "<tr><th>triggers suppressed by</th><th>times</th></tr>"
    return f"<table><thead>{head}</thead>\n<tbody>{rows}</tbody></table>"


def _figure(name: str, picture: bytes) -> str:
    title, caption = TITLES[name]
    encoded = base64.b64encode(picture).decode()
    return (
        f'<h2>{title}</h2>\n<figure><img alt="{title}" src="data:image/svg+xml;base64,{encoded}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _events(events: Sequence[Happening]) -> str:
    rows = "".join(map(_event, events))
    head = "<tr><th>at (UTC)</th><th>run</th><th>what</th><th>why</th></tr>"
    return _wide(f"<table><thead>{head}</thead>\n<tbody>{rows}</tbody></table>")


def _event(one: Happening) -> str:
    what = one.kind.removeprefix("run_").replace("_", " ")
    why = one.message.partition("\n")[0]  # without the log that may follow
    cells = [f"{one.at:%Y-%m-%d %H:%M}", one.run or "", what, why]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"

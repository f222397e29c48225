"""Gates: may the challenger go on, judged by metrics of rows that its training did not see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ctrain.policy.models import AbsoluteGate, ChampionGate, Gate, GroupGate, ServingGate
from ctrain.stats.metrics import HIGHER_IS_BETTER

Metrics = Mapping[str, float]

ROUNDING = 1e-9
"""Share of a value that it may be beyond its bound: 0.9 - 0.85 is more than 0.05 in floating point."""
SIZE = "size_bytes"
"""Of a model's files, among serving metrics."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's answer; ``threshold`` is the bound that decided, on the metric's own scale."""

    gate: str
    value: float | None
    threshold: float | None
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GateReport:
    """All gates' answers; ``note`` says what could not be judged and why that is right."""

    passed: bool
    results: tuple[GateResult, ...]
    n: int
    note: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What each gate says; where none judged anything, why."""
        unjudged = f"no gate judges it ({self.note})" if self.note else "no gates are declared"
        return tuple(one.reason for one in self.results) or (unjudged,)

    def to_json(self) -> dict[str, Any]:
        results = [
            {
                "gate": result.gate,
                "value": result.value,
                "threshold": result.threshold,
                "passed": result.passed,
                "reason": result.reason,
            }
            for result in self.results
        ]
        return {"passed": self.passed, "n": self.n, "note": self.note, "results": results}


def judge_gates(
    gates: Sequence[Gate],
    challenger: Metrics,
    champion: Metrics | None,
    *,
    n: int,
    note: str = "",
    challenger_paired: Metrics | None = None,
    words: Mapping[str, str] | None = None,
) -> GateReport:
    """Return whether every gate lets the challenger through, with each gate's value and bound.

    Parameters
    ----------
    gates
        from the policy; a bound itself passes.
    challenger
        metrics on the whole holdout, for absolute gates. A gap between groups is
        ``METRIC:gap:COLUMN``; serving metrics are ``latency_p50_ms``, ``latency_p99_ms``,
        ``size_bytes``, ``deterministic`` (1 or 0) and, beside a champion, ``same_signature`` (1 or 0).
    champion
        the champion's metrics on the rows that it was not trained on either. None: there is no
        champion, so absolute gates alone are judged and the note says so. Empty: there is one,
        but its metrics could not be had, and gates against it fail.
    n
        rows behind the comparison with the champion.
    note
        what the caller knows of the rows: kept in the report, and told by gates against a champion whose
        metrics could not be had.
    challenger_paired
        the challenger's metrics on the champion's rows; default: ``challenger``.
    words
        what a person should know of a metric, by its name: added to the reasons of its gates.

    A metric that is missing, NaN or infinite fails its gate, and so does a gate without a bound.
    """
    paired = challenger if challenger_paired is None else challenger_paired
    results: list[GateResult] = []
    skipped = 0
    for gate in gates:
        if isinstance(gate, ChampionGate) and champion is None:
            skipped += 1
            continue
        judged = _judge(gate, challenger, paired, champion or {}, note)
        results.extend(_with_words(judged, (words or {}).get(gap_name(gate), "")))
    notes = [note] if note else []
    if champion is None:
        notes.append(_first_champion(len(results), skipped))
    return GateReport(all(result.passed for result in results), tuple(results), n, "; ".join(notes))


def _first_champion(judged: int, skipped: int) -> str:
    bounds = f"{judged} absolute bounds judged" if judged else "no absolute gate is declared"
    left_out = f", {skipped} gates against the champion left out" if skipped else ""
    return f"there is no champion to compare with: {bounds}{left_out}"


def _judge(
    gate: Gate, challenger: Metrics, paired: Metrics, champion: Metrics, note: str
) -> list[GateResult]:
    match gate:
        case AbsoluteGate():
            return _judge_bounds(gate.metric, challenger, gate.min, gate.max)
        case ChampionGate():
            return [_judge_against(gate, paired, champion, note)]
        case GroupGate():
            return _judge_bounds(gap_name(gate), challenger, None, gate.max_gap)
        case ServingGate():
            return _judge_serving(gate, challenger)


def gap_name(gate: Gate) -> str:
    """Return the name of the metric that a gate between groups judges; empty for other gates."""
    return f"{gate.metric}:gap:{gate.by}" if isinstance(gate, GroupGate) else ""


def _with_words(results: list[GateResult], words: str) -> list[GateResult]:
    return [replace(one, reason=f"{one.reason} ({words})") for one in results] if words else results


def _judge_bounds(
    metric: str, metrics: Metrics, lowest: float | None, highest: float | None
) -> list[GateResult]:
    """One result for each bound of the gate; a gate without a bound fails."""
    value = _finite(metrics, metric)
    if lowest is None and highest is None:
        return [GateResult(metric, value, None, False, f"{metric}: the gate has neither min nor max")]
    results = []
    for bound, sign, symbol in ((lowest, 1, ">="), (highest, -1, "<=")):
        if bound is None:
            continue
        gate = f"{metric} {symbol} {_number(metric, bound, 'g')}"
        passed = value is not None and _within(value, bound, sign)
        results.append(GateResult(gate, value, bound, passed, _reason(gate, metric, value, passed)))
    return results


def _judge_against(gate: ChampionGate, paired: Metrics, champion: Metrics, note: str) -> GateResult:
    value, other = _finite(paired, gate.metric), _finite(champion, gate.metric)
    text = f"{gate.metric} not worse than the champion's by {gate.not_worse_than_champion_by:g}"
    if other is None:
        reason = f"{text}: failed, {note or f'the champion has no {gate.metric} on these rows'}"
        return GateResult(text, value, None, False, reason)
    sign = 1 if gate.metric in HIGHER_IS_BETTER else -1
    bound = other - sign * gate.not_worse_than_champion_by
    passed = value is not None and _within(value, bound, sign)
    reason = _reason(text, gate.metric, value, passed) + f" (champion {other:.4g})"
    return GateResult(text, value, bound, passed, reason)


def _judge_serving(gate: ServingGate, metrics: Metrics) -> list[GateResult]:
    """One result for each bound, and those that need none: it has loaded, or there were no metrics."""
    bounds = {
        "latency_p50_ms": gate.latency_p50_ms,
        "latency_p99_ms": gate.latency_p99_ms,
        SIZE: gate.max_size,
    }
    results = [
        result
        for metric, bound in bounds.items()
        if bound is not None
        for result in _judge_bounds(metric, metrics, None, bound)
    ]
    results.append(_judge_fact("deterministic", "the same rows get the same scores again", metrics))
    if gate.signature == "same" and "same_signature" in metrics:
        results.append(
            _judge_fact("same_signature", "names and types of the inputs are the champion's", metrics)
        )
    return results


def _judge_fact(metric: str, gate: str, metrics: Metrics) -> GateResult:
    value = _finite(metrics, metric)
    passed = value == 1.0
    return GateResult(gate, value, 1.0, passed, f"{gate}: {'passed' if passed else 'failed'}")


def _within(value: float, bound: float, sign: int) -> bool:
    """Tell whether the value is the bound, or beyond it in the direction of ``sign``."""
    return sign * (value - bound) >= 0 or math.isclose(value, bound, rel_tol=ROUNDING)


def _finite(metrics: Metrics, metric: str) -> float | None:
    value = metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _reason(gate: str, metric: str, value: float | None, passed: bool) -> str:
    if value is None:
        return f"{gate}: failed, {metric} is missing or not finite on these rows"
    return f"{gate}: {'passed' if passed else 'failed'} with {_number(metric, value, '.4g')}"


def _number(metric: str, value: float, form: str) -> str:
    """A metric as it is written; sizes with all their digits."""
    return f"{value:,.0f}" if metric == SIZE else f"{value:{form}}"

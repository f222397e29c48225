"""Domain classifier by segment: joint shifts within each value of a column, corrected for how many there are.

A segment is BREACHED by the conditions for all rows: a p-value (Benjamini-Hochberg over the segments)
below ``alpha``, an AUC of at least ``min_auc``, and one above what is usual between windows of its own
reference, among so many segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict, Version
from ctrain.monitors.domain_classifier import (
    MOST_FEATURES,
    NOT_TESTED,
    TEST,
    ClassifierFinding,
    giveaways,
    ranked_features,
)
from ctrain.monitors.first_few import first_few
from ctrain.monitors.usual_auc import BLIND, usual_auc, usual_aucs
from ctrain.policy.monitors import DomainClassifierMonitor
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.segments import OTHER

SEGMENT_TEST = "auc"
"""Of a whole segment, beside ``TEST`` of one of its features."""
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class SegmentFinding:
    """What a segment's own classifier found, if its rows were enough for one."""

    name: str
    reference_rows: int
    current_rows: int
    finding: ClassifierFinding | None = None
    problem: str = ""
    """Why there is nothing although the rows were enough."""


@dataclass(frozen=True, slots=True)
class SegmentFindings:
    """What the classifiers of all segments found."""

    segments: Sequence[SegmentFinding]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Why columns were shown to none of them."""


@dataclass(frozen=True, slots=True)
class _Judged:
    label: str
    finding: ClassifierFinding
    threshold: float
    p_adjusted: float
    breached: bool

    @property
    def excess(self) -> float:
        return self.finding.auc - self.threshold


def assess_segments(
    name: MonitorName,
    monitor: DomainClassifierMonitor,
    found: SegmentFindings,
    as_of: datetime,
    model_version: Version,
) -> Verdict:
    """Return the verdict on what the classifiers of the segments found.

    Returns
    -------
    Verdict
        BREACHED when a segment is, with the features that gave its window away; INCONCLUSIVE when none
        can be judged; else OK. ``value`` and ``threshold`` are those of the segment that is the farthest
        above its threshold, ``n`` counts the rows of the window in all segments that were judged.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> monitor = DomainClassifierMonitor(
    ...     type="domain_classifier", window=timedelta(days=1), by="kind", min_rows=100
    ... )
    >>> inside = (0.51, 0.53, 0.52)
    >>> a = SegmentFinding(
    ...     "a", 900, 400, ClassifierFinding(0.9, 1e-9, 900, 400, {"x": 0.35, "z": 0.0}, inside)
    ... )
    >>> b = SegmentFinding("b", 900, 400, ClassifierFinding(0.5, 0.5, 900, 400, {}, inside))
    >>> at = datetime(2024, 1, 2, tzinfo=UTC)
    >>> few = SegmentFinding("c", 900, 20)
    >>> verdict = assess_segments(
    ...     MonitorName("joint"), monitor, SegmentFindings([a, b, few]), at, Version("1")
    ... )
    >>> verdict.status.value, verdict.value, verdict.n
    ('BREACHED', 0.9, 800)
    >>> print(verdict.reason)  # doctest: +NORMALIZE_WHITESPACE
    kind=a: held-out rows are told from the reference with AUC 0.900
    (p 2e-09 among 2 segments; 400 rows against 900), threshold 0.600, by x (-0.350 without it);
    1 with fewer than 100 rows is left out

    References
    ----------
    Lopez-Paz, D. and Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR. Benjamini, Y. and
    Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57(1), 289-300.
    """
    blind = [one for one in found.segments if one.finding is not None and _is_blind(one.finding)]
    judged = _judged(monitor, [one for one in found.segments if one.finding is not None and one not in blind])
    worst = judged[0] if judged else None
    known = Status.BREACHED if worst is not None and worst.breached else Status.OK
    return Verdict(
        monitor=name,
        as_of=as_of,
        status=known if judged else Status.INCONCLUSIVE,
        value=worst.finding.auc if worst is not None else None,
        threshold=worst.threshold if worst is not None else None,
        n=sum(one.finding.current_rows for one in judged),
        reason="; ".join([*_told(monitor, judged), *_not_told(monitor, found.segments, judged, blind)]),
        features=_features(monitor, found, judged, blind),
        model_version=model_version,
    )


def _is_blind(finding: ClassifierFinding) -> bool:
    """Its own windows say so, whatever those of other segments do."""
    usual = usual_auc(finding.inside)
    return usual is not None and usual >= BLIND


def _judged(monitor: DomainClassifierMonitor, segments: Sequence[SegmentFinding]) -> list[_Judged]:
    """Those farthest above their thresholds first, BREACHED ones before all others."""
    findings = [(one.name, one.finding) for one in segments if one.finding is not None]
    adjusted = benjamini_hochberg([one.p_value for _, one in findings])
    usual = usual_aucs([one.inside for _, one in findings])
    found = []
    for (name, one), p_adjusted, reached in zip(findings, adjusted, usual, strict=True):
        threshold = max(monitor.min_auc, reached or 0.0)
        breached = p_adjusted < monitor.alpha and one.auc >= threshold
        found.append(_Judged(f"{monitor.by}={name}", one, threshold, p_adjusted, breached))
    return sorted(found, key=lambda one: (not one.breached, -one.excess, one.label))


def _told(monitor: DomainClassifierMonitor, judged: Sequence[_Judged]) -> list[str]:
    if not judged:
        return [f"no segment of {monitor.by} can be judged"]
    breached = [one for one in judged if one.breached]
    if not breached:
        nearest = _sentence(judged[0], len(judged))
        return [f"none of {len(judged)} segments of {monitor.by} stands out; the nearest is {nearest}"]
    return first_few([_sentence(one, len(judged)) + _by(one.finding) for one in breached], MOST_NAMED)


def _sentence(one: _Judged, segments: int) -> str:
    finding = one.finding
    return (
        f"{one.label}: held-out rows are told from the reference with AUC {finding.auc:.3f} "
        f"(p {one.p_adjusted:.2g} among {segments} segments; {finding.current_rows:,} rows against "
        f"{finding.reference_rows:,}), threshold {one.threshold:.3f}"
    )


def _by(finding: ClassifierFinding) -> str:
    named = ", ".join(f"{column} (-{fall:.3f} without it)" for column, fall in giveaways(finding))
    return f", by {named}" if named else ""


def _not_told(
    monitor: DomainClassifierMonitor,
    segments: Sequence[SegmentFinding],
    judged: Sequence[_Judged],
    blind: Sequence[SegmentFinding],
) -> list[str]:
    """What cannot be said, and of how many segments."""
    few = sum(_is_short(monitor, one) for one in segments)
    failed = sum(bool(one.problem) for one in segments)
    unknown = sum(usual_auc(one.finding.inside) is None for one in judged)
    parts = []
    if few:
        parts.append(f"{few} with fewer than {monitor.min_rows:,} rows {_is_or_are(few)} left out")
    if failed:
        parts.append(f"{failed} cannot be held out")
    if blind:
        parts.append(f"any window of {len(blind)} would stand out, take a longer one")
    if unknown:
        parts.append(f"how much windows of the reference differ is unknown for {unknown}, it is too short")
    return parts


def _is_short(monitor: DomainClassifierMonitor, one: SegmentFinding) -> bool:
    """The rest is no segment where the reference has too few of it."""
    if one.name == OTHER and one.reference_rows < monitor.min_rows:
        return False
    return min(one.reference_rows, one.current_rows) < monitor.min_rows


def _is_or_are(count: int) -> str:
    return "is" if count == 1 else "are"


def _features(
    monitor: DomainClassifierMonitor,
    found: SegmentFindings,
    judged: Sequence[_Judged],
    blind: Sequence[SegmentFinding],
) -> tuple[FeatureVerdict, ...]:
    """The features that gave segments away, then each segment, then what was left out."""
    given_away = [feature for one in judged if one.breached for feature in _given_away(one)]
    segments = [
        FeatureVerdict(
            column=f"auc [{one.label}]",
            test=SEGMENT_TEST,
            statistic=one.finding.auc,
            p_value=one.finding.p_value,
            p_adjusted=one.p_adjusted,
            effect=one.finding.auc,
            threshold=one.threshold,
            breached=one.breached,
            n=one.finding.current_rows,
        )
        for one in judged
    ]
    notes = {one.name: (one, "any window would stand out") for one in blind}
    notes |= {one.name: (one, one.problem) for one in found.segments if one.problem}
    few = f"fewer than {monitor.min_rows:,} rows"
    notes |= {one.name: (one, few) for one in found.segments if _is_short(monitor, one)}
    silent = [
        FeatureVerdict(f"auc [{monitor.by}={name}]", NOT_TESTED, n=one.current_rows, note=note)
        for name, (one, note) in notes.items()
    ]
    left_out = [FeatureVerdict(column, NOT_TESTED, note=note) for column, note in found.left_out.items()]
    return (*given_away, *segments, *silent, *left_out)


def _given_away(one: _Judged) -> list[FeatureVerdict]:
    named = dict(giveaways(one.finding))
    return [
        FeatureVerdict(
            f"{column} [{one.label}]",
            TEST,
            fall,
            effect=fall,
            breached=column in named,
            n=one.finding.current_rows,
        )
        for column, fall in ranked_features(one.finding)[:MOST_FEATURES]
    ]

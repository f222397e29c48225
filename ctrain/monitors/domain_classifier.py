"""Domain classifier: rows of the window that a classifier tells from the reference have drifted jointly.

It sees what no column shows by itself, such as a correlation that has turned round. BREACHED only when
the held-out rows are told apart with a p-value below ``alpha``, well enough (``min_auc``), and better
than windows inside the reference are told from its rest: those differ, too, for no other reason than
the weekday or the weather. Where every window differs so much that none could stand out, the verdict is
INCONCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict, Version
from ctrain.monitors.usual_auc import BLIND, usual_auc
from ctrain.policy.monitors import DomainClassifierMonitor

TEST = "domain_classifier"
NOT_TESTED = "none"
MOST_FEATURES = 10
NAMED = 3
WORTH_NAMING = 0.2
"""Share of the largest fall."""


@dataclass(frozen=True, slots=True)
class ClassifierFinding:
    """What the classifier found: how well it tells two samples apart, and by which features."""

    auc: float
    p_value: float
    reference_rows: int
    current_rows: int
    importance: Mapping[str, float]
    """By how much the AUC falls when the values of a feature are shuffled."""
    inside: tuple[float, ...] = ()
    """AUC of windows inside the reference against its rest."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Why columns were not shown to the classifier."""


def assess_domain_classifier(
    name: MonitorName,
    monitor: DomainClassifierMonitor,
    found: ClassifierFinding,
    as_of: datetime,
    model_version: Version,
) -> Verdict:
    """Return the verdict on what the classifier found, with the features that gave the window away.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> monitor = DomainClassifierMonitor(type="domain_classifier", window=timedelta(days=1))
    >>> found = ClassifierFinding(0.9, 1e-9, 1000, 1000, {"x": 0.35, "z": 0.34, "k": 0.0}, (0.51, 0.53, 0.52))
    >>> at = datetime(2024, 1, 2, tzinfo=UTC)
    >>> verdict = assess_domain_classifier(MonitorName("joint"), monitor, found, at, Version("1"))
    >>> verdict.status.value, verdict.value, verdict.threshold
    ('BREACHED', 0.9, 0.6)
    >>> print(verdict.reason)  # doctest: +NORMALIZE_WHITESPACE
    held-out rows of the window are told from the reference with AUC 0.900
    (p 1e-09; 1,000 rows against 1,000);
    threshold 0.600; by x (-0.350 without it), z (-0.340 without it)

    References
    ----------
    Lopez-Paz, D. and Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR. Rabanser, S.,
    Günnemann, S. and Lipton, Z. (2019). Failing loudly. NeurIPS.
    """
    usual = usual_auc(found.inside)
    threshold = max(monitor.min_auc, usual or 0.0)
    blind = usual is not None and usual >= BLIND
    breached = not blind and found.p_value < monitor.alpha and found.auc >= threshold
    judged = Status.BREACHED if breached else Status.OK
    features = _features(found, breached)
    return Verdict(
        monitor=name,
        as_of=as_of,
        status=Status.INCONCLUSIVE if blind else judged,
        value=found.auc,
        threshold=threshold,
        n=found.current_rows,
        reason=_reason(monitor, found, usual, threshold),
        features=features,
        model_version=model_version,
    )


def _reason(
    monitor: DomainClassifierMonitor, found: ClassifierFinding, usual: float | None, threshold: float
) -> str:
    if usual is not None and usual >= BLIND:
        return (
            "any window would stand out: windows of the reference are told from its rest with AUC up to "
            f"{max(found.inside):.3f}; take a longer window, or columns that vary less"
        )
    parts = [
        f"held-out rows of the window are told from the reference with AUC {found.auc:.3f} "
        f"(p {found.p_value:.2g}; {found.current_rows:,} rows against {found.reference_rows:,})",
        f"threshold {threshold:.3f}",
    ]
    if usual is None:
        parts.append("how much windows of the reference differ is unknown, it is too short")
    elif usual > monitor.min_auc:
        parts[-1] += f", as windows of the reference reach {max(found.inside):.3f}"
    if found.p_value >= monitor.alpha:
        parts.append(f"by chance as likely as alpha {monitor.alpha:g} allows")
    named = ", ".join(f"{column} (-{fall:.3f} without it)" for column, fall in giveaways(found))
    if named and found.auc >= threshold:
        parts.append(f"by {named}")
    return "; ".join(parts)


def ranked_features(found: ClassifierFinding) -> list[tuple[str, float]]:
    """Return the features by how much they help, the most helpful first."""
    return sorted(found.importance.items(), key=lambda one: (-one[1], one[0]))


def giveaways(found: ClassifierFinding) -> list[tuple[str, float]]:
    """Return the features that gave a window away: at most three, none that hardly helps beside the first."""
    ranked = ranked_features(found)[:NAMED]
    return [(column, fall) for column, fall in ranked if fall > 0 and fall >= WORTH_NAMING * ranked[0][1]]


def _features(found: ClassifierFinding, breached: bool) -> tuple[FeatureVerdict, ...]:
    """The features that help most, then those that were left out."""
    n, named = found.current_rows, dict(giveaways(found))
    ranked = [
        FeatureVerdict(column, TEST, fall, effect=fall, breached=breached and column in named, n=n)
        for column, fall in ranked_features(found)[:MOST_FEATURES]
    ]
    left_out = [FeatureVerdict(column, NOT_TESTED, n=n, note=note) for column, note in found.left_out.items()]
    return (*ranked, *left_out)

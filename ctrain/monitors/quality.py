"""Data quality: what is wrong with rows whatever their distribution is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict, Version
from ctrain.monitors.first_few import first_few
from ctrain.policy.monitors import QualityMonitor
from ctrain.stats.multiplicity import benjamini_hochberg
from ctrain.stats.rates import rate_above

FALSE_DISCOVERY_RATE = 0.05
"""Over the columns, checks and segments of a monitor; the whole window goes by the bounds alone."""
MOST_NAMED = 5
MOST_FEATURES = 50
ROW_ID = "row id"
NOUNS = {
    "numeric": "numbers",
    "categorical": "texts",
    "boolean": "booleans",
    "date": "dates",
    "text": "texts",
}


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """Rows of a window with something wrong in one feature; None where nothing says what is right."""

    kind: str
    nulls: int = 0
    """Values that are missing, or count as missing because they could not be read."""
    wrong: int = 0
    """Values that are not of the feature's type."""
    absent: int = 0
    """Rows whose file lacks the column."""
    outside: int | None = None
    allowed: str = ""
    """The range that values are to lie in, in words."""
    unseen: int | None = None
    single: bool | None = None
    """There is one value only, and the reference had several."""


@dataclass(frozen=True, slots=True)
class QualityWindow:
    """What is known of the rows of a window, or of one segment of it."""

    rows: int
    columns: Mapping[str, ColumnCounts]
    segment: str = ""
    """As ``by=value``; empty for all rows."""
    duplicates: int = 0
    """Further rows, dropped because their id was known."""
    new_columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Finding:
    column: str
    check: str
    count: int
    n: int
    bound: float
    words: str
    breached: bool
    p_value: float = math.nan
    """Of a rate; what must not be at all has none."""
    p_adjusted: float = math.nan

    @property
    def rate(self) -> float:
        return self.count / self.n if self.n else float(self.breached)


def assess_quality(
    name: MonitorName,
    monitor: QualityMonitor,
    whole: QualityWindow,
    segments: Sequence[QualityWindow],
    as_of: datetime,
    *,
    unknown: Mapping[str, str] | None = None,
    model_version: Version | None = None,
) -> Verdict:
    """Return BREACHED when more rows of the window have something wrong than the bounds allow.

    Parameters
    ----------
    name, monitor
        which monitor of the policy; checks without a bound are not made.
    whole, segments
        counts of all rows of the window, and of its segments where the monitor has ``by``. A segment
        breaches where its rate is above the bound and significantly so: exact binomial test,
        Benjamini-Hochberg over columns, checks and segments at 0.05. What has no rate (a column that
        files lack, a constant one) breaches as it does for all rows. One with fewer than ``min_rows``
        rows says nothing.
    as_of
        end of the closed pane.
    unknown
        checks that cannot be made, each with the reason: without a breach elsewhere the verdict is
        INCONCLUSIVE.

    Examples
    --------
    >>> from datetime import UTC
    >>> monitor = QualityMonitor(type="quality", window="1h", max_null_rate=0.05)
    >>> window = QualityWindow(200, {"x": ColumnCounts("numeric", nulls=30), "y": ColumnCounts("numeric")})
    >>> assess_quality(MonitorName("q"), monitor, window, [], datetime(2026, 5, 1, tzinfo=UTC)).reason
    'x: 15% of 200 values are missing, 5% is allowed'

    References
    ----------
    Benjamini, Hochberg (1995). Controlling the false discovery rate. Journal of the Royal Statistical
    Society B 57(1). Clopper, Pearson (1934). Biometrika 26(4).
    """
    received = whole.rows + whole.duplicates
    if received < monitor.min_rows:
        reason = f"{received} rows, {monitor.min_rows} are needed"
        return Verdict(name, as_of, Status.INCONCLUSIVE, None, None, received, reason, (), model_version)
    findings = list(_findings(monitor, whole))
    findings += _significant([one for segment in segments for one in _findings(monitor, segment)])
    findings.sort(key=lambda one: (not one.breached, one.bound - one.rate, one.column))
    status, reason = _conclusion(monitor, whole, segments, findings, unknown or {})
    return Verdict(
        name,
        as_of,
        status,
        findings[0].rate if findings else None,
        findings[0].bound if findings else None,
        received,
        reason,
        tuple(_feature_verdict(one) for one in findings[:MOST_FEATURES]),
        model_version,
    )


def _conclusion(
    monitor: QualityMonitor,
    whole: QualityWindow,
    segments: Sequence[QualityWindow],
    findings: Sequence[_Finding],
    unknown: Mapping[str, str],
) -> tuple[Status, str]:
    breaches = list(dict.fromkeys(f"{one.column}: {one.words}" for one in findings if one.breached))
    if breaches:
        return Status.BREACHED, "; ".join(first_few(breaches, MOST_NAMED))
    if whole.rows < monitor.min_rows:
        return Status.INCONCLUSIVE, f"{whole.rows} rows with a new id, {monitor.min_rows} are needed"
    if unknown:
        unsaid = "; ".join(f"{check} is not known: {why}" for check, why in unknown.items())
        return Status.INCONCLUSIVE, unsaid
    few = sum(one.rows < monitor.min_rows for one in segments)
    left_out = f"; {few} of {len(segments)} segments have too few to say" if few else ""
    return Status.OK, f"{whole.rows} rows and {len(whole.columns)} columns are within the bounds{left_out}"


def _table_findings(monitor: QualityMonitor, window: QualityWindow) -> Iterator[_Finding]:
    """What concerns rows as such: repeated ids, columns that nobody has asked for."""
    received = window.rows + window.duplicates
    if monitor.max_duplicates is not None:
        rate = (window.duplicates, received, monitor.max_duplicates)
        yield _of_rate(ROW_ID, "duplicates", *rate, "rows repeat an id")
    if monitor.schema_ == "breach":
        for column in window.new_columns:
            yield _Finding(column, "schema", received, received, 0.0, "is a new column", True)


def _findings(monitor: QualityMonitor, window: QualityWindow) -> Iterator[_Finding]:
    """What there is to say of a window; of its columns only when enough rows have a new id."""
    segment = f" [{window.segment}]" if window.segment else ""
    found: list[_Finding] = []
    if window.rows + window.duplicates >= monitor.min_rows:
        found += _table_findings(monitor, window)
    if window.rows >= monitor.min_rows:
        for name, counts in window.columns.items():
            found += [replace(one, column=name) for one in _column_findings(monitor, window.rows, counts)]
    return (replace(one, column=f"{one.column}{segment}") for one in found)


def _column_findings(monitor: QualityMonitor, rows: int, counts: ColumnCounts) -> Iterator[_Finding]:
    values = rows - counts.nulls
    given = values + counts.wrong
    noun = NOUNS[counts.kind]
    rates = [
        ("null_rate", counts.nulls, rows, monitor.max_null_rate, "values are missing"),
        ("type_errors", counts.wrong, given, monitor.max_type_errors, f"values are no {noun}"),
        ("out_of_range", counts.outside, values, monitor.max_out_of_range, f"values are {counts.allowed}"),
        (
            "unseen_categories",
            counts.unseen,
            values,
            monitor.unseen_categories,
            "values are categories that the reference does not have",
        ),
    ]
    for check, count, n, bound, words in rates:
        if bound is None or count is None or n < monitor.min_rows:
            continue
        found = _of_rate("", check, count, n, bound, words)
        if found.breached and 0 < counts.wrong == given and check in ("null_rate", "type_errors"):
            found = replace(found, words=f"none of {given} values are {noun}: the type has changed")
        yield found
    if monitor.schema_ == "breach" and counts.absent:
        words = f"the column is missing in files with {counts.absent} of {rows} rows"
        yield _Finding("", "schema", counts.absent, rows, 0.0, words, True)
    if monitor.constant == "breach" and counts.single is not None and values >= monitor.min_rows:
        words = f"{values} values are one and the same; they varied in the reference"
        yield _Finding("", "constant", int(counts.single) * values, values, 0.0, words, counts.single)


def _of_rate(column: str, check: str, count: int, n: int, bound: float, words: str) -> _Finding:
    rate = count / n if n else 0.0
    sentence = f"{_percent(rate)} of {n} {words}, {_percent(bound)} is allowed"
    return _Finding(column, check, count, n, bound, sentence, rate > bound, rate_above(count, n, bound))


def _significant(findings: Sequence[_Finding]) -> list[_Finding]:
    """The findings of segments; a rate above its bound by chance is none."""
    rates = [one for one in findings if not math.isnan(one.p_value)]
    adjusted = benjamini_hochberg([one.p_value for one in rates]) if rates else []
    return [one for one in findings if math.isnan(one.p_value)] + [
        replace(one, p_adjusted=p, breached=one.breached and p <= FALSE_DISCOVERY_RATE)
        for one, p in zip(rates, adjusted, strict=True)
    ]


def _feature_verdict(one: _Finding) -> FeatureVerdict:
    return FeatureVerdict(
        column=one.column,
        test=one.check,
        statistic=one.rate,
        p_value=one.p_value,
        p_adjusted=one.p_adjusted,
        effect=one.rate,
        threshold=one.bound,
        breached=one.breached,
        n=one.n,
        note=one.words if one.breached else "",
    )


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g}%"

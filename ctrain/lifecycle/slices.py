"""May a challenger that is better on average be promoted, although it is worse on a slice of the rows?"""

from __future__ import annotations

from collections.abc import Mapping

from ctrain.lifecycle.comparison import MAX_CLIPPED_SHARE, ShadowJudgement, ShadowVerdict
from ctrain.policy.models import Shadow
from ctrain.stats.sequential import ComparisonState


def judge_slices(
    spec: Shadow,
    judgement: ShadowJudgement,
    slices: Mapping[str, ComparisonState],
    *,
    rows: int,
    clipped_share: float = 0.0,
) -> ShadowJudgement:
    """Return ``judgement``, or a rejection that names the slice on which the challenger is clearly worse.

    Parameters
    ----------
    spec
        of the shadow; ``margin`` is the worsening that is tolerated on every slice, also where a
        gain is asked for on average.
    judgement
        of all rows together.
    slices
        the comparison on the rows of each slice, all of them named before the first block was
        folded. A slice's block is the mean of its own rows in it; a block without any is none.
    rows, clipped_share
        of the comparison on all rows: nothing is said before ``min_rows``, or where too many losses
        are cut.

    Each slice has the anytime-valid test that rejects a challenger as a whole, at level ``alpha``
    divided by the number of slices (Bonferroni; slices without rows count, too). So a challenger that
    is worse than ``margin`` on no slice is rejected for any of them, over all looks together, with
    probability at most about ``alpha``. Nothing follows from a slice that is not *clearly* worse:
    one with few rows needs a large difference.
    """
    if judgement.verdict is ShadowVerdict.REJECT or rows < spec.min_rows:
        return judgement
    if not slices or clipped_share > MAX_CLIPPED_SHARE:
        return judgement
    alpha = spec.alpha / len(slices)
    bounds = {name: state.bounds(alpha) for name, state in slices.items()}
    worst = max(bounds, key=lambda name: bounds[name].lower)
    found, state = bounds[worst], slices[worst]
    if found.lower <= spec.margin:
        return judgement
    reason = (
        f"worse on {worst} than {spec.margin:+g} allows: difference {found.mean:+.4f} "
        f"[{found.lower:+.4f}, {found.upper:+.4f}] on {state.rows} rows in {state.blocks} blocks, one of "
        f"{len(slices)} slices; {judgement.reason}"
    )
    return ShadowJudgement(ShadowVerdict.REJECT, reason, judgement.bounds)

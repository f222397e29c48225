"""What of policies is read of all at once: asked of each by itself it takes longer than all the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ctrain.queries.troubles import Troubles, troubles_of

if TYPE_CHECKING:
    from ctrain.domain import NoticeStatus, PolicyName
    from ctrain.domain.fleet import VerdictLine
    from ctrain.ports import Transaction


class Standing(NamedTuple):
    """By policy; one of which there is nothing to tell is left out."""

    troubles: Troubles
    verdicts: Mapping[PolicyName, Sequence[VerdictLine]]
    """The newest of each monitor."""
    notices: Mapping[PolicyName, Mapping[NoticeStatus, int]]
    """How many wait, and how many nobody tries any more."""


def standing_of(tx: Transaction, policies: Sequence[PolicyName]) -> Standing:
    """Return it of these policies, or of more."""
    verdicts: defaultdict[PolicyName, list[VerdictLine]] = defaultdict(list)
    for one in tx.verdict_lines(policies):
        verdicts[one.policy].append(one)
    only = policies[0] if len(policies) == 1 else None
    return Standing(troubles_of(tx), dict(verdicts), tx.notice_counts(only))

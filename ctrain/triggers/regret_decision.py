"""Triggers on regret: what has been lost so far against the price of a training, in words and as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ctrain.domain import Decision, Outcome, TriggerName
from ctrain.policy.triggers import Prices
from ctrain.stats.regret import MIN_BLOCKS, FreshLoss, Regret
from ctrain.triggers.regret import RegretMemory
from ctrain.triggers.training_time import TimeSpent, reserved_time


def price_of_training(prices: Prices, spent: Sequence[TimeSpent], timeout: timedelta) -> float:
    """Return what the next training is reckoned to cost.

    >>> prices = Prices(error_price=1, training_rate=12, currency="EUR")
    >>> price_of_training(prices, (), timedelta(minutes=30))
    6.0
    """
    if prices.training_price is not None:
        return prices.training_price
    assert prices.training_rate is not None
    return prices.training_rate * (reserved_time(spent, timeout) / timedelta(hours=1))


def regret_decision(
    trigger: TriggerName, prices: Prices, memory: RegretMemory | None, price: float
) -> Decision:
    """Return whether the certain regret has reached the price of a training, without limits.

    ``memory`` is None without a champion. What is unknown never fires.
    """
    if memory is None:
        return _unknown(trigger, prices, price, "there is no champion")
    if memory.fresh is None:
        return _unknown(trigger, prices, price, "; ".join(_missing(prices, memory)))
    fresh, regret = memory.fresh, memory.regret
    paid = prices.error_price * regret.certain(fresh)
    told = f"{money(paid)} of {money(price)} {prices.currency}: {_told(fresh, regret)}"
    evidence = {
        "regret": paid,
        "price": price,
        "currency": prices.currency,
        "rows": regret.rows,
        "excess": regret.excess,
        "certain_excess": regret.certain(fresh),
        "since": regret.since or None,
        "fresh": fresh.to_json(),
    }
    return Decision(
        trigger, Outcome.FIRED if paid > 0 and paid >= price else Outcome.NOT_MET, told, evidence=evidence
    )


def _told(fresh: FreshLoss, regret: Regret) -> str:
    model = f"a fresh model ({fresh.mean:.4f} +- {fresh.error:.4f})"
    if not regret.rows:
        return f"rows cost no more than those of {model}"
    more, certain = regret.excess / regret.rows, regret.certain(fresh) / regret.rows
    sure = f"at least {certain:.4f}" if certain else "which may be chance"
    rows = f"{regret.rows:,} rows since {datetime.fromisoformat(regret.since):%Y-%m-%d %H:%M} UTC"
    return f"{rows} cost {more:.4f} ({sure}) more each than {model} would"


def _missing(prices: Prices, memory: RegretMemory) -> Iterator[str]:
    rows = sum(one.rows for one in memory.pool)
    if rows < prices.min_rows:
        yield f"what a fresh model costs is known from {prices.min_rows} rows on, {rows} have matured"
    elif len(memory.pool) < MIN_BLOCKS:
        yield f"what a fresh model costs is known from {MIN_BLOCKS} panes on, {len(memory.pool)} have matured"
    else:
        yield f"all {len(memory.pool)} panes have the same loss, so nobody can tell how sure it is"


def _unknown(trigger: TriggerName, prices: Prices, price: float, why: str) -> Decision:
    evidence = {"regret": None, "price": price, "currency": prices.currency}
    return Decision(trigger, Outcome.NOT_MET, f"unknown: {why}", evidence=evidence)


def money(amount: float) -> str:
    """Return an amount to cents, as whole units where it is whole, and with three digits when it is tiny.

    >>> money(38.2), money(40), money(1234.567), money(0.00321)
    ('38.20', '40', '1,234.57', '0.00321')
    """
    if 0 < amount < 1:
        return f"{amount:.3g}"
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.2f}"

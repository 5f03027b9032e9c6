"""A follower's venue in the model of two events: orders, and how late queries show what becomes of them."""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

from spider_common.domain.intents import Action, Intent
from spider_common.domain.orders import OrderFact, OrderStatus
from tests import strategies

VISIBILITY: Final = 1000
"""How long a change may stay invisible to queries, ns."""


class Standing(NamedTuple):
    """What an order is.

    Attributes:
        count: how often one was accepted of this id: a venue takes the id again once the first is filled.
        terms: its price, which the model's amendments only raise.
    """

    count: int = 0
    status: OrderStatus | None = None
    terms: int = 0

    @property
    def is_live(self) -> bool:
        return self.status is OrderStatus.LIVE

    @property
    def is_gone(self) -> bool:
        return self.status is OrderStatus.CANCELED


class Order(NamedTuple):
    """What an order is, and what queries show of it for another `lag` ns."""

    real: Standing = Standing()
    shown: Standing = Standing()
    lag: int = 0

    def becomes(self, real: Standing, lag: int) -> "Order":
        return Order(real, self.shown if lag else real, lag)

    def later(self, passed: int) -> "Order":
        return self.becomes(self.real, max(self.lag - passed, 0))


@cache
def fact_of(shown: Standing) -> OrderFact | None:
    """What a query answers; None: not found."""
    if shown.status is None:
        return None
    return strategies.fact(status=shown.status, quantity=Decimal(1), price=Decimal(shown.terms))


def take(
    intent: Intent, own: Order, other: Order, *, replaces: bool, last: int
) -> Iterator[tuple[str, Order, Order]]:
    """All that may come of a request: the answer, and the orders that it names.

    Args:
        own: of the intent's own id. other: the order that it acts on.
        replaces: the venue makes a new order of an amended one.
        last: how long the venue would still take the request, ns: queries may show what it does as late as if
            it had come then.
    """
    terms = int(intent.price or 0)
    for lag in (0, last + VISIBILITY):
        placed = own.becomes(Standing(own.real.count + 1, OrderStatus.LIVE, terms), lag)
        cancelled = other.becomes(other.real._replace(status=OrderStatus.CANCELED), lag)
        if intent.action is Action.PLACE:
            yield "yes", placed, other
        elif not other.real.is_live:
            continue
        elif intent.action is Action.CANCEL:
            yield "yes", own, cancelled
        elif replaces:
            yield "yes", placed, cancelled
        else:
            yield "yes", own, other.becomes(other.real._replace(terms=terms), lag)
    if intent.action is not Action.PLACE and not other.real.is_live:
        yield "gone", own, other
    elif intent.action is not Action.CANCEL:
        yield "refused", own, other

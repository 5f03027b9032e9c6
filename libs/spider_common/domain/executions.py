"""Executions (fills), and what an order has come to by them."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue, VenueOrderId
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, Side
from spider_common.domain.quantities import ZERO, check_amounts, check_finite


class Execution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fill of one order. `quantity` in base quantity, `fee` negative when paid."""

    venue: Venue
    account: AccountId
    symbol: str
    trade_id: TradeId
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    ts_venue: int

    def __post_init__(self) -> None:
        check_amounts(quantity=self.quantity)
        check_finite(price=self.price, fee=self.fee)

    @property
    def signed(self) -> Decimal:
        return self.side.sign * self.quantity


class OrderProgress(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a follower order has come to, from facts and executions in any order and any number.

    Attributes:
        state: what facts told; PLANNED before the first.
        cum_filled: the most that any fact told, base quantity.
        executed: what the executions seen so far add up to, base quantity; it trails or equals `cum_filled`.
        cost: what they add up to at their prices, quote currency.
        fees: by currency, negative when paid.
        age: ts_venue of the fact that `state` comes from, Unix ns.
        ts_first_fill, ts_last_fill: by the venue's clock, Unix ns; 0 before the first.
    """

    state: CopyState = CopyState.PLANNED
    cum_filled: Decimal = ZERO
    executed: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Mapping[str, Decimal] = {}
    age: int = 0
    ts_first_fill: int = 0
    ts_last_fill: int = 0

    @property
    def average_price(self) -> Decimal | None:
        """Of the executions seen so far; None before the first."""
        return self.cost / self.executed if self.executed else None

    def observe(self, fact: OrderFact) -> "OrderProgress":
        """Takes in a fact. Monotone: an older or repeated one changes nothing.

        The state is that of the fact with the highest rank and, among those, the latest time, so it is the
        same in whatever order the facts come, even if a venue contradicts itself.
        """
        cum_filled = max(self.cum_filled, fact.cum_filled)
        told, known = _STATE_OF[fact.status], (_RANK_OF.get(self.state, 0), self.age)
        if (_RANK_OF[told], fact.ts_venue) <= known:
            return msgspec.structs.replace(self, cum_filled=cum_filled)
        return msgspec.structs.replace(self, state=told, cum_filled=cum_filled, age=fact.ts_venue)

    def execute(self, execution: Execution) -> "OrderProgress":
        """Adds an execution that was not counted before; telling them apart is the caller's (by key)."""
        executed, at = self.executed + execution.quantity, execution.ts_venue
        paid = self.fees.get(execution.fee_currency, ZERO) + execution.fee
        return msgspec.structs.replace(
            self,
            executed=executed,
            cum_filled=max(self.cum_filled, executed),
            cost=self.cost + execution.quantity * execution.price,
            fees={**self.fees, execution.fee_currency: paid} if execution.fee else self.fees,
            ts_first_fill=min(self.ts_first_fill or at, at),
            ts_last_fill=max(self.ts_last_fill, at),
        )


_STATE_OF = {
    OrderStatus.LIVE: CopyState.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED: CopyState.PARTIALLY_FILLED,
    OrderStatus.FILLED: CopyState.FILLED,
    OrderStatus.CANCELED: CopyState.CANCELED,
    OrderStatus.TRIGGERED: CopyState.ACCEPTED,  # the order that it set off fills in its name
}
_RANK_OF = {
    CopyState.ACCEPTED: 1,
    CopyState.PARTIALLY_FILLED: 2,
    CopyState.CANCELED: 3,
    CopyState.FILLED: 4,
    # no fact revives an order that was refused or not sent
    CopyState.REJECTED: 5,
    CopyState.DENIED: 5,
    CopyState.SKIPPED: 5,
}

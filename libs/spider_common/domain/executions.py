"""Executions (fills) and what they add up to."""

from decimal import Decimal

import msgspec

from spider_common.domain.identifiers import AccountId, ClientOrderId, TradeId, Venue, VenueOrderId
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, Side
from spider_common.domain.quantities import ZERO


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

    @property
    def signed(self) -> Decimal:
        return self.side.sign * self.quantity


class OrderProgress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a follower order has come to, from facts and executions in any order and any number.

    Attributes:
        cum_filled: the most that any fact told, base quantity.
        executed: what the executions seen so far add up to, base quantity; it trails or equals `cum_filled`.
        age: ts_venue of the fact that `state` comes from, Unix ns.
    """

    state: CopyState
    cum_filled: Decimal = ZERO
    executed: Decimal = ZERO
    age: int = 0

    def observe(self, fact: OrderFact) -> "OrderProgress":
        """Takes in a fact. Monotone: an older or repeated one changes nothing."""
        cum_filled = max(self.cum_filled, fact.cum_filled)
        if self.state.is_final:
            return msgspec.structs.replace(self, cum_filled=cum_filled)
        state = _STATE_OF[fact.status]
        if _RANK_OF[state] < _RANK_OF.get(self.state, 0):
            state = self.state
        return msgspec.structs.replace(
            self, state=state, cum_filled=cum_filled, age=max(self.age, fact.ts_venue)
        )

    def execute(self, execution: Execution) -> "OrderProgress":
        """Adds an execution that was not counted before; telling them apart is the caller's (by key)."""
        executed = self.executed + execution.quantity
        return msgspec.structs.replace(self, executed=executed, cum_filled=max(self.cum_filled, executed))


_STATE_OF = {
    OrderStatus.LIVE: CopyState.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED: CopyState.PARTIALLY_FILLED,
    OrderStatus.FILLED: CopyState.FILLED,
    OrderStatus.CANCELED: CopyState.CANCELED,
}
_RANK_OF = {CopyState.ACCEPTED: 1, CopyState.PARTIALLY_FILLED: 2, CopyState.CANCELED: 3, CopyState.FILLED: 3}

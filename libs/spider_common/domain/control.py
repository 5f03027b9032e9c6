"""What may be traded at all: the kill switch's three positions, for everything, a product, a client."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from spider_common.domain.identifiers import ClientId, ProductId
from spider_common.domain.reasons import Reason


class TradingState(StrEnum):
    """ACTIVE: all orders. REDUCING: only such as reduce. HALTED: nothing but cancels."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"

    def refusal(self, *, opens: bool) -> Reason | None:
        """Why an order that opens, or one that only reduces, may not be sent."""
        if self is TradingState.HALTED:
            return Reason.HALTED
        return Reason.REDUCING_ONLY if opens and self is TradingState.REDUCING else None


class Controls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state of everything, and of those products and clients that are not active."""

    all: TradingState = TradingState.ACTIVE
    products: Mapping[ProductId, TradingState] = {}
    clients: Mapping[ClientId, TradingState] = {}

    def state(self, product: ProductId, client: ClientId) -> TradingState:
        """The strictest of the three that bear on a subscription."""
        states = (
            self.all,
            self.products.get(product, TradingState.ACTIVE),
            self.clients.get(client, TradingState.ACTIVE),
        )
        return max(states, key=list(TradingState).index)

"""What may be traded at all: the kill switch's three positions, for everything, a product, a client."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from spider_common.domain.identifiers import ClientId, ProductId


class TradingState(StrEnum):
    """ACTIVE: all orders. REDUCING: only such as reduce. HALTED: nothing but cancels."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"

    @property
    def may_open(self) -> bool:
        return self is TradingState.ACTIVE

    @property
    def may_reduce(self) -> bool:
        return self is not TradingState.HALTED


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

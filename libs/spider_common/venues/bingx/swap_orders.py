"""Orders of BingX's swap section.

Source: https://bingx-api.github.io/docs-v3/#/en/Swap/Trades%20Endpoints.
"""

from collections.abc import Mapping

import msgspec

from spider_common.clock import Clock
from spider_common.domain.identifiers import AccountId, VenueOrderId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import OrderFact, OrderStatus
from spider_common.domain.quantities import ZERO
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.secret import Credentials
from spider_common.venues.bingx import codes, orders, parse
from spider_common.venues.bingx.fields import Row, flag, mapping, text
from spider_common.venues.bingx.rest import SWAP_V1, SWAP_V2, CodeError, Rest, bucket
from spider_common.venues.outcomes import (
    Accepted,
    Outcome,
    Rejected,
    Unknown,
    UnreadableFrame,
    Unsent,
    VenueError,
)


class SwapOrders:
    """Places, changes and looks at orders of swaps."""

    def __init__(self, rest: Rest, codec: Codec, instruments: InstrumentList, clock: Clock) -> None:
        self._rest, self._codec, self._instruments, self._clock = rest, codec, instruments, clock

    def placing(self, order: OrderRequest) -> VenueRequest | Rejected:
        """The request that places an order whose numbers the instrument takes."""
        if why := orders.refused_trigger(order.trigger):
            return Rejected("unsupported", why)
        request = self._codec.order_request(
            order.symbol,
            side=order.side,
            size=order.size,
            client_order_id=order.client_order_id,
            price=order.price,
            params=orders.placing(order),
        )
        if order.trigger is None:
            return request
        params = orders.triggered(request.params, order.trigger, market=order.price is None)
        return msgspec.structs.replace(request, params=params)

    def canceling(self, order: OrderRef) -> VenueRequest:
        params = {"symbol": order.symbol, **orders.named(order)}
        return VenueRequest(SWAP_V2, "DELETE", "trade/order", params)

    @staticmethod
    def placed_id(answer: Row) -> VenueOrderId:
        """The order's id in an answer to placing or cancelling. Raises UnreadableFrame: it has none."""
        order = mapping(mapping(answer, "data", "answer"), "order", "data")
        return VenueOrderId(text(order, "orderId", "data.order"))

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """A new order takes the old one's place: BingX amends nothing but the size, and only then would the
        order stay, so that nobody could say by which id it is to be found.

        The old order is looked at first. It is replaced only while nothing of it is filled, which BingX is
        asked to check: what a partly filled order still gets until it is gone would come on top of its
        replacement.
        """
        try:
            row = await self._row(credentials, change.ref)
            fact = self._fact(row, change.ref.account.account)
        except CodeError as error:
            known = error.code in codes.NOT_FOUND
            return Rejected(error.code, str(error)) if known else Unsent(str(error))
        except VenueError as error:
            return Unsent(f"the order could not be looked at: {error}")
        if fact.cum_filled != ZERO or fact.status is not OrderStatus.LIVE or change.price is None:
            return Rejected("unsupported", "only a limit order without a fill can be replaced")
        made = self._codec.order_request(
            change.ref.symbol,
            side=change.side,
            size=change.size,
            client_order_id=change.replacement,
            price=change.price,
            params=orders.leg(change.position_side, reduce_only=change.reduce_only),
        )
        kept = text(row, "timeInForce", "order", default="")
        params = {
            **made.params,
            **({"timeInForce": kept} if kept else {}),
            "cancelOrderId": fact.venue_order_id,
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelRestrictions": f"ONLY_{text(row, 'status', 'order')}",
        }
        request = VenueRequest(SWAP_V1, "POST", "trade/cancelReplace", params)
        turn = bucket(request.path, change.ref.account.account, self._rest.limits.amend)
        await self._rest.turn(turn)
        read = await self._rest.write(credentials, request, expires=expires, bucket=turn)
        return _replaced(read) if isinstance(read, Mapping) else read

    async def look(self, credentials: Credentials, order: OrderRef) -> OrderFact | None:
        """An order as ``trade/order`` tells it, which looks in open and finished ones; None: it knows none.

        Raises:
            VenueError: it does not say.
        """
        try:
            row = await self._row(credentials, order)
        except CodeError as error:
            if error.code in codes.NOT_FOUND:
                return None
            raise
        return self._fact(row, order.account.account)

    async def _row(self, credentials: Credentials, order: OrderRef) -> Row:
        params = {"symbol": order.symbol, **orders.named(order)}
        request = VenueRequest(SWAP_V2, "GET", "trade/order", params)
        body = await self._rest.ask(credentials, request, account=order.account.account)
        return mapping(mapping(body, "data", "answer"), "order", "data")

    def _fact(self, row: Row, account: AccountId) -> OrderFact:
        return parse.order(
            row,
            place="order",
            account=account,
            instruments=self._instruments,
            seen=self._clock.now(),
        )


def _replaced(read: Row) -> Outcome:
    """What an answer to ``cancelReplace`` says: code 0 tells nothing of either half."""
    try:
        both = mapping(read, "data", "answer")
        if not flag(both, "cancelResult", "data", default=False):
            return Rejected("cancel_failed", text(both, "cancelMsg", "data", default=""))
        if not flag(both, "replaceResult", "data", default=False):
            why = text(both, "replaceMsg", "data", default="")
            return Rejected("replace_failed", f"the old order is cancelled, the new one refused: {why}")
        return Accepted(VenueOrderId(text(mapping(both, "newOrderResponse", "data"), "orderId", "data")))
    except UnreadableFrame as error:
        return Unknown(str(error))

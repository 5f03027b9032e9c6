"""Orders of BingX's spot section.

Source: https://bingx-api.github.io/docs-v3/#/en/Spot/Trades%20Endpoints. Client order ids are
``newClientOrderId`` in a new order and ``clientOrderID`` everywhere else, and are looked up for two hours.
"""

from spider_common.clock import Clock
from spider_common.domain.identifiers import VenueOrderId
from spider_common.domain.instruments import InstrumentList, venue_symbol
from spider_common.domain.orders import OrderFact
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.secret import Credentials
from spider_common.venues.bingx import codes, orders, spot
from spider_common.venues.bingx.fields import Row, mapping, text
from spider_common.venues.bingx.rest import SPOT, CodeError, Rest
from spider_common.venues.outcomes import Outcome, Rejected


class SpotOrders:
    """Places, cancels and looks at spot orders.

    Args:
        slippage_bps: what a market buy may cost above its reference price, in 1/100 %.
    """

    def __init__(
        self, rest: Rest, codec: Codec, instruments: InstrumentList, clock: Clock, *, slippage_bps: int
    ) -> None:
        self._rest, self._codec, self._instruments, self._clock = rest, codec, instruments, clock
        self._slippage_bps = slippage_bps

    def placing(self, order: OrderRequest) -> VenueRequest | Rejected:
        """The request that places an order whose numbers the instrument takes.

        BingX sizes market buys in quote currency. One of ours is sent as a limit order that takes what it
        finds at once (IOC), up to `slippage_bps` above the reference price: its size is exact then, and what
        is not to be had at that price is not bought.
        """
        listed = self._instruments.get(order.account.venue, order.symbol)
        assert listed is not None, "the numbers are the instrument's"
        said = orders.spot_placing(order, tick=listed.tick, slippage_bps=self._slippage_bps)
        if isinstance(said, Rejected):
            return said
        price, force = said
        return self._codec.order_request(
            order.symbol,
            side=order.side,
            size=order.size,
            client_order_id=order.client_order_id,
            price=price,
            params={"timeInForce": force} if force else {},
        )

    def canceling(self, order: OrderRef) -> VenueRequest:
        return VenueRequest(SPOT, "POST", "trade/cancel", _named(order))

    @staticmethod
    def placed_id(answer: Row) -> VenueOrderId:
        """The order's id in an answer to placing or cancelling. Raises UnreadableFrame: it has none."""
        return VenueOrderId(text(mapping(answer, "data", "answer"), "orderId", "data"))

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:  # noqa: ARG002 as for swaps
        """BingX's spot orders cannot be amended. Their replacement tells no outcome of its halves that one
        could rely on, so cancel and place instead."""
        return Rejected("unsupported", "spot orders of BingX are not amended: cancel and place instead")

    async def look(self, credentials: Credentials, order: OrderRef) -> OrderFact | None:
        """An order as ``trade/query`` tells it; None: it knows none.

        Raises:
            VenueError: it does not say.
        """
        request = VenueRequest(SPOT, "GET", "trade/query", _named(order))
        try:
            body = await self._rest.ask(credentials, request, account=order.account.account)
        except CodeError as error:
            if codes.no_such_spot_order(error.code, str(error)):
                return None
            raise
        return spot.order(
            mapping(body, "data", "answer"),
            place="data",
            account=order.account.account,
            instruments=self._instruments,
            seen=self._clock.now(),
        )


def _named(order: OrderRef) -> dict[str, str]:
    return {"symbol": venue_symbol(order.symbol), **orders.named(order, client="clientOrderID")}

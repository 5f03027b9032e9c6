"""BingX's REST side. One client serves every account: they share its connections.

Sources: https://bingx-api.github.io/docs-v3/#/en/Swap/Trades%20Endpoints and ``/Swap/Account%20Endpoints``.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.clock import Clock
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.orders import OrderFact, OrderStatus
from spider_common.domain.products import Account
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, KeyPermissions, MarginMode, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.secret import Credentials
from spider_common.venues.bingx import codes, orders, parse
from spider_common.venues.bingx.fields import Row, flag, mapping, rows, text
from spider_common.venues.bingx.rest import (
    ACCOUNT,
    STREAM,
    SWAP_V1,
    SWAP_V2,
    Bucket,
    CodeError,
    Limits,
    Rest,
    bucket,
)
from spider_common.venues.bingx.session import BingxSession
from spider_common.venues.bingx.sweep import Sweep
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    Lookup,
    NotFound,
    Outcome,
    Refused,
    Rejected,
    Unknown,
    UnreadableFrame,
    Unsent,
    VenueError,
)
from spider_common.venues.venue import PRIVATE, Capabilities, Told

REST: Final = "https://open-api.bingx.com"
FALLBACK: Final = "https://open-api.bingx.pro"
SOCKET: Final = "wss://open-api-swap.bingx.com/swap-market"

_MARGIN_TYPE: Final = {MarginMode.CROSS: "CROSSED", MarginMode.ISOLATED: "ISOLATED"}
_SETTING_WITHIN_NS: Final = 5_000_000_000
_TRADES, _WITHDRAWS, _READS = "3", "5", "2"  # key permissions: perpetual trading, withdrawal, reading


class BingxClient:
    """See `spider_common.venues.venue.VenueClient`.

    Args:
        codec: signs for `REST`, or for a simulator's address.
        socket_url: the private socket without a listen key, such as `SOCKET`.
        fallback: origin for questions that the first does not answer, such as `FALLBACK`; "" for none.
        limits: what the venue lets in.
        least_window_ms: a write that has less time until its expiry is not sent.
        look_back_s: how far before the last sweep an order may have been made and still be looked for in
            history, which lists by time of making. An older one is told if it was filled since, not if it
            was only cancelled.
    """

    venue: Final = Venue.BINGX
    sockets: Final = (PRIVATE,)

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        codec: Codec,
        budgets: Budgets,
        clock: Clock,
        socket_url: str = SOCKET,
        fallback: str = "",
        limits: Limits = Limits(),  # noqa: B008 frozen, so shared defaults cannot change
        least_window_ms: int = 250,
        look_back_s: int = 24 * 3600,
    ) -> None:
        self._codec, self._clock, self._socket_url = codec, clock, socket_url
        self._look_back_s = look_back_s
        self._rest = Rest(
            http=http,
            codec=codec,
            budgets=budgets,
            clock=clock,
            limits=limits,
            fallback=fallback,
            least_window_ms=least_window_ms,
        )
        self.known_instruments = InstrumentList(())

    @property
    def capabilities(self) -> Capabilities:
        limits = self._rest.limits
        shown = {name: getattr(limits, name) for name in limits.__struct_fields__}
        return Capabilities(
            amends="amend",
            expiry="timestamp and recvWindow, at most 5 s",
            batch_orders=5,
            hedge_mode=True,
            limits={name: f"{limit.count} in {limit.window_s:g} s" for name, limit in shown.items()},
        )

    async def instruments(self) -> Sequence[Instrument]:
        body = await self._rest.ask_openly("quote/contracts")
        listed = rows(body, "data", "quote/contracts")
        read = (parse.instrument(row, place=f"data[{at}]") for at, row in enumerate(listed))
        found = [instrument for instrument in read if instrument is not None]
        self._codec.set_instruments(listed)
        self.known_instruments = InstrumentList(found)
        await self._rest.server_time()
        return found

    async def server_time(self) -> int:
        return await self._rest.server_time()

    # Orders

    def _place_bucket(self, account: AccountId) -> Bucket:
        return bucket("place", account, self._rest.limits.place)

    async def ready_to_place(self, order: OrderRequest) -> None:
        account = order.account.account
        await self._rest.turn(self._place_bucket(account), client=account, reducing=order.reduces)

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        if why := orders.refused_trigger(order.trigger):
            return Rejected("unsupported", why)
        listed = self.known_instruments.get(Venue.BINGX, order.symbol)
        prices = [order.price, order.trigger.price if order.trigger else None]
        if listed is None or not listed.takes(order.size, *prices):
            return Refused(Reason.INSTRUMENT_CHANGED)  # since the order was planned
        request = self._codec.order_request(
            order.symbol,
            side=order.side,
            size=order.size,
            client_order_id=order.client_order_id,
            price=order.price,
            params=orders.placing(order),
        )
        if order.trigger is not None:
            params = orders.triggered(request.params, order.trigger, market=order.price is None)
            request = msgspec.structs.replace(request, params=params)
        turn = self._place_bucket(order.account.account)
        return _accepted(await self._rest.write(credentials, request, expires=expires, bucket=turn))

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        turn = bucket("cancel", order.account.account, self._rest.limits.cancel)
        await self._rest.turn(turn)
        params = {"symbol": order.symbol, **orders.named(order)}
        request = VenueRequest(SWAP_V2, "DELETE", "trade/order", params)
        return _accepted(await self._rest.write(credentials, request, expires=expires, bucket=turn))

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """A new size is an amendment; a new price takes a new order in the old one's place.

        The old order is looked at first, since BingX amends nothing but the size. It is replaced only while
        nothing of it is filled, which BingX is asked to check: what a partly filled order still gets until
        it is gone would come on top of its replacement.
        """
        try:
            row = await self._order_row(credentials, change.ref)
            fact = self._fact(row, "order", change.ref.account.account)
        except CodeError as error:
            known = error.code in codes.NOT_FOUND
            return Rejected(error.code, str(error)) if known else Unsent(str(error))
        except VenueError as error:
            return Unsent(f"the order could not be looked at: {error}")
        if not orders.same(change.price, fact.price):
            return await self._replace(credentials, change, fact, row, expires)
        if change.size == fact.quantity:
            return Accepted(fact.venue_order_id)
        params = {
            "symbol": change.ref.symbol,
            "orderId": fact.venue_order_id,
            "quantity": f"{change.size:f}",
        }
        request = VenueRequest(SWAP_V1, "POST", "trade/amend", params)
        read = await self._change(credentials, change.ref.account.account, request, expires)
        return Accepted(fact.venue_order_id) if isinstance(read, Mapping) else read

    async def _replace(
        self, credentials: Credentials, change: Amendment, fact: OrderFact, row: Row, expires: int
    ) -> Outcome:
        if fact.cum_filled != ZERO or fact.status is not OrderStatus.LIVE or change.price is None:
            return Rejected("unsupported", "only a limit order without a fill can get another price")
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
        read = await self._change(credentials, change.ref.account.account, request, expires)
        return _replaced(read) if isinstance(read, Mapping) else read

    async def _change(
        self, credentials: Credentials, account: AccountId, request: VenueRequest, expires: int
    ) -> Row | Outcome:
        turn = bucket(request.path, account, self._rest.limits.amend)
        await self._rest.turn(turn)
        return await self._rest.write(credentials, request, expires=expires, bucket=turn)

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        try:
            row = await self._order_row(credentials, order)
            return Found(self._fact(row, "order", order.account.account))
        except CodeError as error:
            if error.code not in codes.NOT_FOUND:
                return Unknown(str(error))
        except VenueError as error:
            return Unknown(str(error))
        try:
            listed = await self._sweeping(credentials, order.account.account).latest(order.symbol)
        except VenueError as error:
            return Unknown(str(error))
        found = [fact for fact in listed if fact.client_order_id == order.client_order_id.lower()]
        return Found(found[0]) if found else NotFound()

    async def _order_row(self, credentials: Credentials, order: OrderRef) -> Row:
        """An order as ``trade/order`` tells it, which looks in open and finished ones."""
        params = {"symbol": order.symbol, **orders.named(order)}
        request = VenueRequest(SWAP_V2, "GET", "trade/order", params)
        body = await self._rest.ask(credentials, request, account=order.account.account)
        return mapping(mapping(body, "data", "answer"), "order", "data")

    def _fact(self, row: Row, place: str, account: AccountId) -> OrderFact:
        return parse.order(
            row,
            place=place,
            account=account,
            instruments=self.known_instruments,
            seen=self._clock.now(),
        )

    # Accounts

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        return await self._sweeping(credentials, account).everything(since)

    def _sweeping(self, credentials: Credentials, account: AccountId) -> Sweep:
        return Sweep(
            self._rest,
            credentials,
            account,
            instruments=self.known_instruments,
            clock=self._clock,
            look_back_s=self._look_back_s,
        )

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome:
        """Margin mode first where it differs, then the leverage of each leg."""
        asked = VenueRequest(SWAP_V2, "GET", "trade/marginType", {"symbol": symbol})
        try:
            body = await self._rest.ask(credentials, asked, account=account.account)
            now = text(mapping(body, "data", "answer"), "marginType", "data")
        except VenueError as error:
            return Unsent(f"the margin mode could not be asked for: {error}")
        requests = [
            VenueRequest(
                SWAP_V2, "POST", "trade/leverage", {"symbol": symbol, "side": side, "leverage": leverage}
            )
            for side in (("LONG", "SHORT") if account.hedge_mode else ("BOTH",))
        ]
        if now != _MARGIN_TYPE[mode]:
            wanted = {"symbol": symbol, "marginType": _MARGIN_TYPE[mode]}
            requests.insert(0, VenueRequest(SWAP_V2, "POST", "trade/marginType", wanted))
        for request in requests:
            read = await self._set(credentials, account.account, request)
            if not isinstance(read, Mapping):
                return read
        return Accepted(None)

    async def set_hedge_mode(self, credentials: Credentials, account: Account, *, hedge: bool) -> Outcome:
        try:
            if await self._sweeping(credentials, account.account).hedge_mode() == hedge:
                return Accepted(None)  # BingX refuses the mode that is set, while something is open
        except VenueError as error:
            return Unsent(f"the position mode could not be asked for: {error}")
        params = {"dualSidePosition": "true" if hedge else "false"}
        request = VenueRequest(SWAP_V1, "POST", "positionSide/dual", params)
        read = await self._set(credentials, account.account, request)
        return Accepted(None) if isinstance(read, Mapping) else read

    async def _set(
        self, credentials: Credentials, account: AccountId, request: VenueRequest
    ) -> Row | Outcome:
        """A setting: it is no order, so it may take all the time that BingX gives a request."""
        turn = bucket(request.path, account, self._rest.limits.settings)
        await self._rest.turn(turn)
        expires = self._clock.now() + _SETTING_WITHIN_NS
        return await self._rest.write(credentials, request, expires=expires, bucket=turn)

    async def permissions(self, credentials: Credentials) -> KeyPermissions:
        body = await self._rest.ask(credentials, VenueRequest(ACCOUNT, "GET", "account/apiPermissions", {}))
        told = mapping(body, "data", "answer") if "data" in body else body
        listed = told.get("permissions")
        if not isinstance(listed, list):
            raise UnreadableFrame("apiPermissions.permissions: not an array")
        granted = {str(each) for each in listed}
        addresses = told.get("ipAddresses")
        if addresses is not None and not isinstance(addresses, list):
            raise UnreadableFrame("apiPermissions.ipAddresses: not an array")
        return KeyPermissions(
            read=_READS in granted,
            trade=_TRADES in granted,
            withdraw=_WITHDRAWS in granted,
            addresses=tuple(str(each) for each in addresses or ()),
        )

    # Sockets

    def session(
        self,
        credentials: Credentials,  # noqa: ARG002 the listen key has logged in
        account: AccountId,
        socket: str = PRIVATE,  # noqa: ARG002 there is one
    ) -> BingxSession:
        return BingxSession(account, self.known_instruments)

    async def socket_url(self, credentials: Credentials, socket: str = PRIVATE) -> str:  # noqa: ARG002 there is one
        """Makes a listen key: its owner is the socket that this address is opened for."""
        body = await self._rest.ask(credentials, VenueRequest(STREAM, "POST", "userDataStream", {}))
        return f"{self._socket_url}?listenKey={text(body, 'listenKey', 'userDataStream')}"

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Raises VenueError: the key is gone, or BingX does not answer; the session is to be made anew."""
        (key,) = parse_qs(urlsplit(url).query).get("listenKey", [""])
        request = VenueRequest(STREAM, "PUT", "userDataStream", {"listenKey": key})
        await self._rest.ask(credentials, request)


def _accepted(read: Row | Outcome) -> Outcome:
    """What an answer to placing or cancelling says."""
    if not isinstance(read, Mapping):
        return read
    try:
        order = mapping(mapping(read, "data", "answer"), "order", "data")
        return Accepted(VenueOrderId(text(order, "orderId", "data.order")))
    except UnreadableFrame as error:
        return Unknown(str(error))


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

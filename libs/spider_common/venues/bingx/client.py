"""BingX's REST side. One client serves every account: they share its connections.

Sources: https://bingx-api.github.io/docs-v3/#/en/Swap/Trades%20Endpoints and ``/Swap/Account%20Endpoints``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.clock import Clock
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import SPOT_MARK, Instrument, InstrumentList, Mark
from spider_common.domain.orders import OrderFact
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, KeyPermissions, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.sdk.http import TrioTransport
from spider_common.secret import Credentials
from spider_common.venues.bingx import listings, spot
from spider_common.venues.bingx.fields import Row, mapping, rows, text
from spider_common.venues.bingx.rest import (
    ACCOUNT,
    PUBLIC,
    SPOT_PUBLIC,
    STREAM,
    SWAP_V1,
    SWAP_V2,
    Bucket,
    Limits,
    Rest,
    bucket,
)
from spider_common.venues.bingx.session import SPOT_TOPICS, BingxSession
from spider_common.venues.bingx.spot_orders import SpotOrders
from spider_common.venues.bingx.spot_sweep import SpotSweep
from spider_common.venues.bingx.swap_orders import SwapOrders
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
from spider_common.venues.venue import PRIVATE, SPOT, Capabilities, Listing, Told

Section = TypeVar("Section", Sweep, SpotSweep)

REST: Final = "https://open-api.bingx.com"
FALLBACK: Final = "https://open-api.bingx.pro"
SOCKET: Final = "wss://open-api-swap.bingx.com/swap-market"
SOCKETS: Final = 60
"""Per address."""
SPOT_SOCKET: Final = "wss://open-api-ws.bingx.com/market"

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
        spot_slippage_bps: what a spot market buy may cost above its reference price, in 1/100 %. BingX sizes
            those in quote currency; ours are limit orders at that price that take what they find at once.
    """

    venue: Final = Venue.BINGX
    sockets: Final = (PRIVATE, SPOT)

    def __init__(
        self,
        *,
        http: TrioTransport,
        codec: Codec,
        budgets: Budgets,
        clock: Clock,
        socket_url: str = SOCKET,
        fallback: str = "",
        limits: Limits = Limits(),  # noqa: B008 frozen, so shared defaults cannot change
        least_window_ms: int = 250,
        look_back_s: int = 24 * 3600,
        spot_slippage_bps: int = 50,
    ) -> None:
        self._codec, self._clock, self._socket_url = codec, clock, socket_url
        self._look_back_s, self._spot_slippage_bps = look_back_s, spot_slippage_bps
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
            amends="replace",
            names_parent=True,
            fires_by_name=False,
            expiry="timestamp and recvWindow, at most 5 s",
            batch_orders=5,
            hedge_mode=True,
            sockets=SOCKETS,
            limits={name: f"{limit.count} in {limit.window_s:g} s" for name, limit in shown.items()},
        )

    async def instruments(self) -> Sequence[Instrument]:
        return self.learn(await self.listing())

    async def listing(self) -> Listing:
        body = await self._rest.ask_openly(PUBLIC, "quote/contracts")
        swaps = rows(body, "data", "quote/contracts")
        body = await self._rest.ask_openly(SPOT_PUBLIC, "common/symbols")
        return Listing(swaps, rows(mapping(body, "data", "common/symbols"), "symbols", "data"))

    def learn(self, listing: Listing) -> Sequence[Instrument]:
        read = [
            *(listings.instrument(row, place=f"data[{at}]") for at, row in enumerate(listing.swaps)),
            *(spot.instrument(row, place=f"symbols[{at}]") for at, row in enumerate(listing.spots)),
        ]
        found = [instrument for instrument in read if instrument is not None]
        self._codec.set_instruments(listing.swaps, listing.spots)
        self.known_instruments = InstrumentList(found)
        return found

    async def marks(self) -> Mapping[str, Mark]:
        known = self.known_instruments
        swaps = rows(await self._rest.ask_openly(PUBLIC, "quote/premiumIndex"), "data", "quote/premiumIndex")
        at = self._rest.venue_now()
        pairs = rows(await self._rest.ask_openly(SPOT_PUBLIC, "ticker/24hr"), "data", "ticker/24hr")
        read = [
            *(
                listings.mark(row, place=f"premiumIndex[{index}]", instruments=known, at=at)
                for index, row in enumerate(swaps)
            ),
            *(
                spot.mark(row, place=f"ticker/24hr[{index}]", instruments=known)
                for index, row in enumerate(pairs)
            ),
        ]
        return {mark.symbol: mark for mark in read if mark is not None}

    async def server_time(self) -> int:
        return await self._rest.server_time()

    # Orders

    def _place_bucket(self, account: AccountId) -> Bucket:
        return bucket("place", account, self._rest.limits.place)

    async def ready_to_place(self, order: OrderRequest, *, patience_s: float = math.inf) -> bool:
        account = order.account.account
        return await self._rest.turn(
            self._place_bucket(account), client=account, reducing=order.reduces, patience_s=patience_s
        )

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.BINGX, order.symbol)
        prices = [order.price, order.trigger.price if order.trigger else None]
        if listed is None or not listed.takes(order.size, *prices):
            return Refused(Reason.INSTRUMENT_CHANGED)  # since the order was planned
        section = self._orders(order.symbol)
        request = section.placing(order)
        if isinstance(request, Rejected):
            return request
        turn = self._place_bucket(order.account.account)
        read = await self._rest.write(credentials, request, expires=expires, bucket=turn)
        return _accepted(read, section.placed_id)

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        section = self._orders(order.symbol)
        turn = bucket("cancel", order.account.account, self._rest.limits.cancel)
        await self._rest.turn(turn)
        read = await self._rest.write(credentials, section.canceling(order), expires=expires, bucket=turn)
        return _accepted(read, section.placed_id)

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.BINGX, change.ref.symbol)
        if listed is None or not listed.takes(change.size, change.price):
            return Refused(Reason.INSTRUMENT_CHANGED)
        return await self._orders(change.ref.symbol).amend(credentials, change, expires=expires)

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        try:
            if (fact := await self._orders(order.symbol).look(credentials, order)) is not None:
                return Found(fact)
            listed = await self._latest(credentials, order)
        except VenueError as error:
            return Unknown(str(error))
        found = [fact for fact in listed if fact.client_order_id == order.client_order_id.lower()]
        return Found(found[0]) if found else NotFound()

    async def _latest(self, credentials: Credentials, order: OrderRef) -> Sequence[OrderFact]:
        account = order.account.account
        if _is_spot(order.symbol):
            return await self._sweeping(SpotSweep, credentials, account).latest(order.symbol)
        return await self._sweeping(Sweep, credentials, account).latest(order.symbol)

    def _orders(self, symbol: str) -> SwapOrders | SpotOrders:
        parts = self._rest, self._codec, self.known_instruments, self._clock
        if _is_spot(symbol):
            return SpotOrders(*parts, slippage_bps=self._spot_slippage_bps)
        return SwapOrders(*parts)

    # Accounts

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        swaps = await self._sweeping(Sweep, credentials, account).everything(since)
        pairs = await self._sweeping(SpotSweep, credentials, account).everything(since)
        return msgspec.structs.replace(
            swaps,
            facts=swaps.facts + pairs.facts,
            executions=swaps.executions + pairs.executions,
            positions=swaps.positions + pairs.positions,
            whole=swaps.whole + pairs.whole,
        )

    def _sweeping(self, kind: type[Section], credentials: Credentials, account: AccountId) -> Section:
        return kind(
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
            if await self._sweeping(Sweep, credentials, account.account).hedge_mode() == hedge:
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
        socket: str = PRIVATE,
    ) -> BingxSession:
        return BingxSession(account, self.known_instruments, topics=SPOT_TOPICS if socket == SPOT else ())

    async def ready_to_connect(self) -> None:
        """Nothing to wait for: BingX counts open sockets, and connects only as requests for listen keys."""

    async def socket_url(self, credentials: Credentials, socket: str = PRIVATE) -> str:
        """Makes a listen key: its owner is the socket that this address is opened for."""
        body = await self._rest.ask(credentials, VenueRequest(STREAM, "POST", "userDataStream", {}))
        url = _spot_socket(self._socket_url) if socket == SPOT else self._socket_url
        return f"{url}?listenKey={text(body, 'listenKey', 'userDataStream')}"

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Raises VenueError: the key is gone, or BingX does not answer; the session is to be made anew."""
        (key,) = parse_qs(urlsplit(url).query).get("listenKey", [""])
        request = VenueRequest(STREAM, "PUT", "userDataStream", {"listenKey": key})
        await self._rest.ask(credentials, request)


def _spot_socket(swaps: str) -> str:
    """Where the spot socket is: BingX has a host for each section, a simulator one for both."""
    return SPOT_SOCKET if swaps == SOCKET else swaps.removesuffix("/swap-market") + "/market"


def _is_spot(symbol: str) -> bool:
    return symbol.endswith(SPOT_MARK)


def _accepted(read: Row | Outcome, order_id: Callable[[Row], VenueOrderId]) -> Outcome:
    """What an answer to placing or cancelling says."""
    if not isinstance(read, Mapping):
        return read
    try:
        return Accepted(order_id(read))
    except UnreadableFrame as error:
        return Unknown(str(error))

"""Bitget's REST side. One client serves every account: they share its connections.

Sources: https://www.bitget.com/api-doc/contract/ and ``/api-doc/common/signature``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import SPOT_MARK, Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.orders import OrderStatus, PositionSide
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, KeyPermissions, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.sdk.http import TrioTransport
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, parse, requests, spot, spot_requests
from spider_common.venues.bitget.asking import Asking
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.bitget.questions import Questions
from spider_common.venues.bitget.session import PRODUCT, BitgetSession
from spider_common.venues.bitget.spot_questions import SpotQuestions
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    Lookup,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    UnreadableFrame,
    Unsent,
    VenueError,
)
from spider_common.venues.rest import Reply, Rest
from spider_common.venues.rows import Row
from spider_common.venues.venue import PRIVATE, Capabilities, Listing, Told

ORDERS: Final = Limit(10, 1.0)
"""Per account and endpoint. An account that other people copy at Bitget itself has only 1 a second."""
REQUEST_AGE: Final = 30 * NS_PER_S
"""A request whose timestamp is older is refused."""
CONNECTS: Final = Limit(300, 300.0)
"""Per address."""
SOCKETS: Final = 100
_SETTINGS: Final = Limit(5, 1.0)
_SPOT_REPLACEMENTS: Final = Limit(5, 1.0)


class BitgetClient:
    """See `spider_common.venues.venue.VenueClient`.

    Args:
        codec: signs for ``https://api.bitget.com``, or for a simulator's address.
        socket_url: the private socket, ``wss://ws.bitget.com/v2/ws/private``.
        closing: what closing orders in hedge mode call their side.
        orders: how many orders an account may place; `ORDERS` unless it is copied at Bitget.
        request_age: the age (ns) past which the venue refuses a request. It has no other expiry, so a request
            is signed with its time set back, until it grows too old just when it should expire. None: the
            venue is not relied on for this; requests carry the true time and may be taken for 30 s.
        spot_slippage_bps: by how much a spot market buy may exceed its reference price, in 1/10,000.
    """

    venue: Final = Venue.BITGET
    sockets: Final = (PRIVATE,)

    def __init__(
        self,
        *,
        http: TrioTransport,
        codec: Codec,
        budgets: Budgets,
        clock: Clock,
        socket_url: str,
        closing: ClosingSide = ClosingSide.POSITION,
        orders: Limit = ORDERS,
        request_age: int | None = REQUEST_AGE,
        spot_slippage_bps: int = spot_requests.SLIPPAGE_BPS,
    ) -> None:
        self._codec, self._budgets, self._clock = codec, budgets, clock
        self._rest = Rest(http=http, codec=codec, clock=clock)
        self._socket_url, self._closing, self._orders = socket_url, closing, orders
        self._request_age, self._spot_slippage_bps = request_age, spot_slippage_bps
        self._asking = Asking(rest=self._rest, budgets=budgets, clock=clock)
        self._swaps, self._spot = Questions(self._asking, closing=closing), SpotQuestions(self._asking)

    @property
    def known_instruments(self) -> InstrumentList:
        return self._asking.known_instruments

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            amends="replace",
            names_parent=False,
            fires_by_name=True,
            expiry="timestamp set back" if self._request_age else "30 s after signing",
            batch_orders=1,
            hedge_mode=True,
            sockets=SOCKETS,
            limits={
                "place, cancel, amend": f"{self._orders.count}/s each, an account and kind (spot amend 5/s)",
                "queries": "10/s each, an account (positions 5/s)",
                "settings": "5/s each, an account",
                "connects": f"{CONNECTS.count} in 5 min an address",
                "all": "6000/min an address",
            },
        )

    async def instruments(self) -> Sequence[Instrument]:
        return self.learn(await self.listing())

    async def listing(self) -> Listing:
        contracts = await self._listed("public/mix", "mix/market/contracts", {"productType": PRODUCT})
        return Listing(contracts, await self._listed("public/spot", "spot/public/symbols", {}))

    def learn(self, listing: Listing) -> Sequence[Instrument]:
        read = (
            *(parse.instrument(row, place=f"contracts[{at}]") for at, row in enumerate(listing.swaps)),
            *(spot.instrument(row, place=f"symbols[{at}]") for at, row in enumerate(listing.spots)),
        )
        found = [instrument for instrument in read if instrument is not None]
        self._codec.set_instruments(listing.swaps, listing.spots)
        self._asking.known_instruments = InstrumentList(found)
        return found

    async def marks(self) -> Mapping[str, Mark]:
        known, told = self.known_instruments, dict[str, Mark]()
        for section, path, asked, field, mark in (
            ("public/mix", "mix/market/tickers", {"productType": PRODUCT}, "markPrice", ""),
            ("public/spot", "spot/market/tickers", {}, "lastPr", SPOT_MARK),
        ):
            for at, row in enumerate(await self._listed(section, path, asked)):
                place = f"{path}[{at}]"
                found = parse.mark(row, field, place=place, instruments=known, mark=mark)
                if found is not None:
                    told[found.symbol] = found
        return told

    async def _listed(self, section: str, path: str, asked: Mapping[str, str]) -> list[Row]:
        return rows.children(await self._asking.query(None, section, path, asked), "data", path)

    def session(
        self,
        credentials: Credentials,
        account: AccountId,
        socket: str = PRIVATE,  # noqa: ARG002 there is one
    ) -> BitgetSession:
        return BitgetSession(
            credentials, account, self.known_instruments, closing=self._closing, ahead=self._rest.ahead
        )

    async def ready_to_connect(self) -> None:
        await self._budgets.acquire(((ADDRESS, "connect"), CONNECTS))

    async def socket_url(self, credentials: Credentials, socket: str = PRIVATE) -> str:  # noqa: ARG002 the same for all
        return self._socket_url

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Nothing to do: a login lasts as long as its socket."""

    # Writes

    async def ready_to_place(self, order: OrderRequest, *, patience_s: float = math.inf) -> bool:
        return await self._budgets.acquire(
            (self._orders_of(order), self._orders),
            client=order.account.account,
            reducing=order.reduces,
            patience_s=patience_s,
        )

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.BITGET, order.symbol)
        if listed is None:
            return Refused(Reason.INSTRUMENT_CHANGED)
        try:
            if _is_spot(order.symbol):
                if spot_requests.lacks_bound(order):
                    return Refused(Reason.NO_REFERENCE_PRICE)
                request = spot_requests.place(order, self._codec, listed, self._spot_slippage_bps)
            else:
                request = requests.place(order, self._codec, listed, self._closing)
        except ValueError:  # delisted, or another lot, since the order was planned
            return Refused(Reason.INSTRUMENT_CHANGED)
        outcome = await self._write(credentials, request, expires)
        if isinstance(outcome, RateLimited):
            await self._budgets.back_off(self._orders_of(order), self._orders, outcome.until)
        return outcome

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        """Takes an order back; one that is not among the orders is looked for among the conditional ones."""
        account, ask = order.account.account, spot_requests if _is_spot(order.symbol) else requests
        request, of_plan = ask.cancel(order), ask.cancel_plan(order)
        await self._budgets.acquire(((request.path, account), ORDERS))
        outcome = await self._write(credentials, request, expires, of_order=True)
        if not isinstance(outcome, Rejected) or outcome.code not in codes.NOT_FOUND:
            return outcome
        await self._budgets.acquire(((of_plan.path, account), ORDERS))
        second = await self._write(credentials, of_plan, expires, of_order=True)
        return outcome if isinstance(second, Rejected) else second

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """Replaces an untouched limit order. The new one is made later: look it up by its client order id.

        Spot would replace a partly filled order with a whole one, so there the order is looked at first; a
        fill between the two requests still comes on top.
        """
        if change.price is None:
            return Refused(Reason.NOT_AMENDABLE)
        listed = self.known_instruments.get(Venue.BITGET, change.ref.symbol)
        if listed is None or not listed.takes(change.size, change.price):
            return Refused(Reason.INSTRUMENT_CHANGED)
        is_spot = _is_spot(change.ref.symbol)
        if is_spot:
            found = await self._spot.find(credentials, change.ref)
            if isinstance(found, Unknown):
                return Unsent(f"the order could not be looked at: {found.why}")
            if not isinstance(found, Found) or found.fact.status is not OrderStatus.LIVE:
                return Refused(Reason.NOT_AMENDABLE)
        request = (spot_requests if is_spot else requests).modify(change, change.price)
        limit = _SPOT_REPLACEMENTS if is_spot else ORDERS
        await self._budgets.acquire(((request.path, change.ref.account.account), limit))
        outcome = await self._write(credentials, request, expires, of_order=True)
        # the id in the answer is that of the old order, where there is one
        return Accepted(None) if isinstance(outcome, Accepted) else outcome

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome:
        """Margin mode first where it differs: beside what is open Bitget does not change it."""
        try:
            differs = await self._swaps.margin_mode(credentials, account.account, symbol) is not mode
        except VenueError as error:
            return Unsent(f"the margin mode could not be asked for: {error}")
        apart = account.hedge_mode and mode is MarginMode.ISOLATED
        legs = (PositionSide.LONG, PositionSide.SHORT) if apart else (PositionSide.NET,)
        asked = [requests.leverage(symbol, leverage, leg) for leg in legs]
        if differs:
            asked.insert(0, requests.margin_mode(symbol, mode))
        outcome: Outcome = Accepted(None)
        for request in asked:
            outcome = await self._set(credentials, account, request)
            if not isinstance(outcome, Accepted):
                break
        return outcome

    async def set_hedge_mode(self, credentials: Credentials, account: Account, *, hedge: bool) -> Outcome:
        return await self._set(credentials, account, requests.position_mode(hedge=hedge))

    async def _set(self, credentials: Credentials, account: Account, request: VenueRequest) -> Outcome:
        await self._budgets.acquire(((request.path, account.account), _SETTINGS))
        return await self._write(credentials, request, self._clock.now() + REQUEST_AGE)

    async def _write(
        self, credentials: Credentials, request: VenueRequest, expires: int, *, of_order: bool = False
    ) -> Outcome:
        if credentials.passphrase is None:
            return Refused(Reason.NO_CREDENTIALS)
        left = expires - self._clock.now()
        if left <= 0:
            return Unsent("it expired before it was sent")
        set_back = 0 if self._request_age is None else max(self._request_age - left, 0)
        reply = await self._rest.write(credentials, request, set_back_ns=set_back)
        if not isinstance(reply, Reply):
            return reply
        return _outcome(reply, self._clock.now(), of_order=of_order)

    @staticmethod
    def _orders_of(order: OrderRequest) -> tuple[str, str]:
        return "bitget/spot-order" if _is_spot(order.symbol) else "bitget/order", order.account.account

    # Questions

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        questions = self._spot if _is_spot(order.symbol) else self._swaps
        return await questions.find(credentials, order)

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        told = (
            await self._swaps.sweep(credentials, account, since=since),
            await self._spot.sweep(credentials, account, since=since),
        )
        facts = (fact for each in told for fact in each.facts)
        executions = (execution for each in told for execution in each.executions)
        return Told(
            facts=tuple(sorted(facts, key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            equities=tuple(equity for each in told for equity in each.equities),
            positions=tuple(position for each in told for position in each.positions),
            whole=(InstrumentKind.SWAP, InstrumentKind.SPOT),
        )

    async def server_time(self) -> int:
        """Also sets the offset by which requests are signed from then on."""
        asked = self._clock.now()
        body = await self._asking.query(None, "public/common", "public/time", {})
        told = rows.milliseconds(rows.child(body, "data", "time"), "serverTime", "time.data")
        self._rest.learn_time(told, asked=asked)
        return told

    async def permissions(self, credentials: Credentials) -> KeyPermissions:
        body = await self._asking.query(credentials, "private/spot", "spot/account/info", {}, AccountId(""))
        return parse.permissions(rows.child(body, "data", "info"), place="info.data")


def _is_spot(symbol: str) -> bool:
    return symbol.endswith(SPOT_MARK)


def _outcome(reply: Reply, now: int, *, of_order: bool) -> Outcome:
    """What an answer to a write says. Whatever cannot be read is unknown, not refused."""
    try:
        code = rows.code(reply.body, "code", "answer")
        if code != codes.ACCEPTED:
            words = rows.text(reply.body, "msg", "answer", default="")
            return codes.WRITES.outcome(code, words, now, of_order=of_order)
        made = reply.body.get("data")
        if isinstance(made, dict) and "successList" in made:  # a cancelled list, of one
            done = rows.children(made, "successList", "answer.data", null=True)
            if not done:
                return Rejected("22001", codes.GONE["22001"])
            made = done[0]
        if isinstance(made, dict) and made.get("success", "success") != "success":  # of a spot replacement
            return Unknown(
                f"the old order may be cancelled: {rows.text(made, 'msg', 'answer.data', default='')}"
            )
        told = rows.text(made, "orderId", "answer.data", default="") if isinstance(made, dict) else ""
        return Accepted(VenueOrderId(told) if told else None)  # one-way reduce-only orders may have none
    except UnreadableFrame as error:
        return Unknown(f"HTTP {reply.status}: {error}")

"""OKX's REST side. One client serves every account: they share its connections.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade and ``-trading-account``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit, Name
from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentList, Mark
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import (
    Amendment,
    KeyPermissions,
    OrderRef,
    OrderRequest,
)
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.sdk.http import TrioTransport
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.okx import codes, requests
from spider_common.venues.okx.questions import Questions
from spider_common.venues.okx.session import CHANNELS, OkxSession
from spider_common.venues.outcomes import (
    Accepted,
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
from spider_common.venues.rest import ANSWER_WITHIN_S, Reply, Rest
from spider_common.venues.venue import PRIVATE, Capabilities, Listing, Told

ORDERS: Final = Limit(60, 2.0)  # per account and instrument, for each of place, cancel and amend
CONDITIONAL: Final = Limit(20, 2.0)  # per account, for each of place and cancel
CONNECTS: Final = Limit(3, 1.0)  # per address
ACCOUNT: Final = Limit(1000, 2.0)  # per sub-account, new and amended orders
_SETTINGS: Final = {
    "account/set-position-mode": Limit(5, 2.0),
    "account/set-leverage": Limit(20, 2.0),
}
_SET_WITHIN: Final = round(ANSWER_WITHIN_S * 1e9)


class OkxClient:
    """See `spider_common.venues.venue.VenueClient`.

    Args:
        codec: signs for ``https://www.okx.com``, or for a simulator's address.
        socket_url: the private socket, ``wss://ws.okx.com:8443/ws/v5/private``; the others are beside it.
    """

    venue: Final = Venue.OKX
    sockets: Final = tuple(CHANNELS)

    def __init__(
        self, *, http: TrioTransport, codec: Codec, budgets: Budgets, clock: Clock, socket_url: str
    ) -> None:
        self._codec, self._budgets, self._clock = codec, budgets, clock
        self._rest = Rest(http=http, codec=codec, clock=clock)
        self._questions = Questions(rest=self._rest, budgets=budgets, clock=clock)
        self._socket_url = socket_url

    @property
    def known_instruments(self) -> InstrumentList:
        return self._questions.known

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            amends="amend",
            names_parent=True,
            fires_by_name=True,
            expiry="expTime (place, amend)",
            batch_orders=1,
            hedge_mode=True,
            sockets=None,
            limits={
                "place, cancel, amend": f"{ORDERS.count}/2 s each, an account and instrument",
                "new and amended orders": f"{ACCOUNT.count}/2 s an account",
                "conditional orders": f"{CONDITIONAL.count}/2 s each of place and cancel, an account",
                "queries": "20/2 s each, an account (balance, positions 10/2 s)",
                "connects": f"{CONNECTS.count}/s an address",
                "settings": "leverage 20/2 s, position mode 5/2 s, an account",
            },
        )

    async def instruments(self) -> Sequence[Instrument]:
        return self.learn(await self.listing())

    async def listing(self) -> Listing:
        return await self._questions.listing()

    def learn(self, listing: Listing) -> Sequence[Instrument]:
        found = self._questions.learn(listing)
        self._codec.set_instruments(listing.swaps, listing.spots)
        return found

    async def marks(self) -> Mapping[str, Mark]:
        return await self._questions.marks()

    async def ready_to_connect(self) -> None:
        await self._budgets.acquire(((ADDRESS, "connect"), CONNECTS))

    async def socket_url(self, credentials: Credentials, socket: str = PRIVATE) -> str:  # noqa: ARG002 for all
        return self._socket_url.removesuffix(PRIVATE) + socket

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Nothing to do: a login lasts as long as its socket."""

    def session(self, credentials: Credentials, account: AccountId, socket: str = PRIVATE) -> OkxSession:
        return OkxSession(
            credentials, account, self.known_instruments, CHANNELS[socket], ahead=self._rest.ahead
        )

    # Writes

    async def ready_to_place(self, order: OrderRequest, *, patience_s: float = math.inf) -> bool:
        account = order.account.account
        return await self._budgets.acquire(
            _turn(order),
            (("account", account), ACCOUNT),
            client=account,
            reducing=order.reduces,
            patience_s=patience_s,
        )

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.OKX, order.symbol)
        if listed is None:
            return Refused(Reason.INSTRUMENT_CHANGED)
        try:
            request = requests.place(order, self._codec, listed)
        except ValueError:  # delisted, or another lot, since the order was planned
            return Refused(Reason.INSTRUMENT_CHANGED)
        named = "ordId" if order.trigger is None else "algoId"
        outcome = await self._write(credentials, request, expires, named=named)
        if isinstance(outcome, RateLimited):
            await self._budgets.back_off(*_turn(order), outcome.until)
        return outcome

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        """Cancels an open order or, where there is none of that name, the conditional order that has it."""
        await self._budgets.acquire((("cancel", order.account.account, order.symbol), ORDERS))
        outcome = await self._write(
            credentials, requests.cancel(order), expires, named="ordId", of_order=True
        )
        if not (isinstance(outcome, Rejected) and outcome.code in codes.GONE):
            return outcome
        try:
            waiting = await self._questions.conditional(credentials, order)
        except VenueError as error:
            return Unknown(str(error))
        if waiting is None or waiting.status.is_final:
            return outcome
        await self._budgets.acquire((("cancel-algos", order.account.account), CONDITIONAL))
        request = requests.cancel_conditional(order.symbol, waiting.venue_order_id)
        return await self._write(credentials, request, expires, named="algoId", of_order=True)

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """Changes an open order, which stays the one it is."""
        account, symbol = change.ref.account.account, change.ref.symbol
        listed = self.known_instruments.get(Venue.OKX, symbol)
        if listed is None or not listed.takes(change.size, change.price):
            return Refused(Reason.INSTRUMENT_CHANGED)
        await self._budgets.acquire((("amend", account, symbol), ORDERS), (("account", account), ACCOUNT))
        return await self._write(credentials, requests.amend(change), expires, named="ordId", of_order=True)

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome:
        apart = account.hedge_mode and mode is MarginMode.ISOLATED
        legs = (PositionSide.LONG, PositionSide.SHORT) if apart else (PositionSide.NET,)
        outcome: Outcome = Accepted(None)
        for leg in legs:
            request = requests.leverage(symbol, leverage, mode, leg)
            outcome = await self._set(credentials, account, request)
            if not isinstance(outcome, Accepted):
                break
        return outcome

    async def set_hedge_mode(self, credentials: Credentials, account: Account, *, hedge: bool) -> Outcome:
        return await self._set(credentials, account, requests.position_mode(hedge=hedge))

    async def _set(self, credentials: Credentials, account: Account, request: VenueRequest) -> Outcome:
        await self._budgets.acquire(((request.path, account.account), _SETTINGS[request.path]))
        return await self._write(credentials, request, self._clock.now() + _SET_WITHIN)

    async def _write(
        self,
        credentials: Credentials,
        request: VenueRequest,
        expires: int,
        *,
        named: str | None = None,
        of_order: bool = False,
    ) -> Outcome:
        """Sends a write. `named`: the field of the answer that has the order's id, where there is one."""
        if credentials.passphrase is None:
            return Refused(Reason.NO_CREDENTIALS)
        if expires <= self._clock.now():
            return Unsent("it expired before it was sent")
        expiry = {"expTime": str((expires + self._rest.ahead) // NS_PER_MS)}
        reply = await self._rest.write(credentials, request, headers=expiry)
        if not isinstance(reply, Reply):
            return reply
        return _outcome(reply, self._clock.now(), named=named, of_order=of_order)

    # Questions

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        return await self._questions.find(credentials, order)

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        return await self._questions.sweep(credentials, account, since=since)

    async def server_time(self) -> int:
        return await self._questions.server_time()

    async def permissions(self, credentials: Credentials) -> KeyPermissions:
        return await self._questions.permissions(credentials)


def _turn(order: OrderRequest) -> tuple[Name, Limit]:
    """The narrowest of the buckets that an order takes a token of."""
    account = order.account.account
    if order.trigger is not None:
        return ("conditional", account), CONDITIONAL
    return ("order", account, order.symbol), ORDERS


def _outcome(reply: Reply, now: int, *, named: str | None, of_order: bool) -> Outcome:
    """What an answer to a write says. Whatever cannot be read is unknown, not refused."""
    try:
        code = rows.text(reply.body, "code", "answer")
        words = rows.text(reply.body, "msg", "answer", default="")
        made = rows.children(reply.body, "data", "answer", null=True)
        if made:
            code = rows.text(made[0], "sCode", "data[0]", default=code)
            words = rows.text(made[0], "sMsg", "data[0]", default=words)
        if code == "0":
            told = rows.text(made[0], named, "data[0]") if named and made else ""
            return Accepted(VenueOrderId(told) if told else None)
    except UnreadableFrame as error:
        return Unknown(f"HTTP {reply.status}: {error}")
    return codes.WRITES.outcome(code, words, now, of_order=of_order)
